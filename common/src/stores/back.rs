//! What goes back to the heads of its queues.

use crate::store::{Claim, Ending, Place};

/// Gives these claims back.
pub(super) fn give_back(claims: Vec<Claim>) -> Vec<Ending> {
    claims.into_iter().map(Ending::head).collect()
}

/// The places of endings in the order in which they happen.
pub(super) fn order(endings: &[Ending]) -> impl Iterator<Item = usize> {
    // Each goes before the one that was given back before it, so the first one has to come last of all.
    let (heads, others): (Vec<_>, Vec<_>) = (0..endings.len()).partition(|place| endings[*place].place == Place::Head);
    others.into_iter().chain(heads.into_iter().rev())
}
