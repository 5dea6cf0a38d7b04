//! The limits of calls that several of them share.

use crate::message::MAX_MESSAGE_SIZE;
use crate::store::Registration;
pub(super) use crate::stores::shared::batch::{CHUNK, CHUNK_BYTES, MAX_ROUNDS};

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
