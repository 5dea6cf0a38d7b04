//! What goes back to the heads of its queues.

use crate::store::{Claim, Completion, Disposition};

/// Gives these claims back.
pub(in crate::stores) fn release(claims: Vec<Claim>) -> Vec<Completion> {
    claims.into_iter().map(Completion::release).collect()
}

/// The places of completions in the order in which they happen.
pub(in crate::stores) fn order(completions: &[Completion]) -> impl Iterator<Item = usize> {
    // Each goes before the one that was requeued before it, so the first one has to come last of all.
    let (heads, others): (Vec<_>, Vec<_>) =
        (0..completions.len()).partition(|place| completions[*place].disposition == Disposition::Release);
    others.into_iter().chain(heads.into_iter().rev())
}
