//! What moves many messages in calls of bounded length.

use crate::clock::Timestamp;
use crate::store::{Claim, Completion, Disposition, Wake};

/// Messages that one call moves at most, so that nobody waits long for it.
pub(in crate::stores) const CHUNK: usize = 1_000;

/// Bytes of bodies in one call, roughly.
pub(in crate::stores) const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Calls of one kind in one beat, at most, while there is more to do than fits one.
pub(in crate::stores) const MAX_ROUNDS: usize = 100;

/// What ends a wait: something is ready, or comes due before the next due time that the caller knows of.
pub(in crate::stores) fn wake(is_ready: bool, next_due: Option<Timestamp>, due: Option<Timestamp>) -> Option<Wake> {
    if is_ready {
        return Some(Wake::Ready);
    }
    next_due.filter(|next| due.is_none_or(|due| *next < due)).map(|_| Wake::Due)
}

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
