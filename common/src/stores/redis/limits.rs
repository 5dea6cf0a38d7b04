//! The limits of calls that several of them share.

use crate::broker::MAX_MESSAGE_SIZE;
use crate::store::Registration;

/// Messages that one call of a script moves at most.
pub(super) const CHUNK: usize = 1_000;

/// Bytes of bodies in one call, roughly: more would hold up other calls, and run into their time limit on a slow network.
pub(super) const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// The largest body that is brought; what others have put there beyond that dies unread. Twice of what may be sent, because a
/// message grows with its retries.
pub(super) const LARGEST: usize = 2 * MAX_MESSAGE_SIZE;

/// Queues that one call of a beat looks after, at most.
pub(super) const SLICE: usize = 64;

/// How long it is remembered that workers died with a message: seven days.
pub(super) const REMEMBER_CRASHES_SECONDS: usize = 7 * 24 * 60 * 60;

/// Whether a worker has more queues than one call looks after.
pub(super) fn is_many(registration: &Registration) -> bool {
    registration.queues.len() > SLICE
}
