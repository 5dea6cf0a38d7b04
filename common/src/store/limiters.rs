//! The third contract: limits that many processes share, and barriers.
//!
//! A store may do without ([`Store::limiters`](super::Store::limiters)). All times are the store's own.

use std::time::Duration;

use super::Boxed;
use crate::clock::Timestamp;
use crate::error::StoreError;

/// The longest lease: so long after its death, at most, a holder's slot is free again.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10);

/// A limit on what holds a slot at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotLimit {
    /// Its name. On Redis it is the key of its counter, as it is: without the namespace, as dramatiq has it.
    pub key: String,
    /// How many slots there are; at least one.
    pub limit: u32,
    /// How long a slot is kept for a holder of Python's, which renews nothing.
    pub ttl: Duration,
}

impl SlotLimit {
    /// How long a slot is kept for a holder of this library's after it was taken or renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        LONGEST_LEASE.min(self.ttl / 3).max(Duration::from_millis(1))
    }
}

/// A slot of a limit, and who holds it or wants it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The limit.
    pub of: SlotLimit,
    /// The holder's own name, which nobody else has had.
    pub token: String,
}

/// What became of an attempt to take a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It is taken, for one [lease](SlotLimit::lease).
    Granted {
        /// A number that is larger than any that was given with a slot of this limit before.
        fence: u64,
    },
    /// All are taken.
    Denied {
        /// When one may be free though nobody gives it back: a lease ends then, unless it is renewed.
        again: Timestamp,
    },
}

/// A limit on what happens within a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Its name. On Redis its counters begin with it, as it is: without the namespace, as dramatiq has them.
    pub key: String,
    /// How often within that time; at least once.
    pub limit: u32,
    /// Within which time.
    pub within: Within,
}

/// The time that a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Within {
    /// From one multiple of this, since the Unix epoch, to the next one; at least a millisecond.
    Bucket(Duration),
    /// The last seconds, so many; at least one. The second that is now is one of them.
    Seconds(u32),
}

/// What became of an arrival at a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All are there, and this one was the last.
    Last,
    /// So many are still to come.
    Waiting(u32),
    /// All were there before.
    Open,
    /// Nothing is known of the barrier (any more).
    Expired,
}

/// Keeps limits and barriers. Futures must run to their end, as those of a [`Store`](super::Store); those that only wait may be dropped.
///
/// # Errors
///
/// Every call answers with what the store says. After a lost answer it may have happened: a slot that nobody renews is free after its
/// lease.
pub trait Limiters: Send + Sync {
    /// Takes a slot, if one is free: no more than the limit are ever held at once, by holders whose lease is not over. What Python holds of
    /// the same key counts as well.
    fn acquire<'a>(&'a self, slot: &'a Slot) -> Boxed<'a, Result<Grant, StoreError>>;

    /// Begins the leases of these slots anew. Tells of each whether it was still held; what is over does not come back.
    fn renew<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>>;

    /// Gives slots back. Tells of each whether it was still held; one that was not frees nothing, least of all another holder's.
    fn release<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>>;

    /// Waits until a slot may be free; at once, where one is, or where that cannot be looked for. Leases that end, it may not notice. Cancel
    /// safe.
    fn wait_free<'a>(&'a self, limit: &'a SlotLimit) -> Boxed<'a, ()>;

    /// Counts what is about to happen; `None` where it may. Where the limit is reached, it counts nothing, and tells when there will be room
    /// if nobody else takes it.
    fn pass<'a>(&'a self, rate: &'a RateLimit) -> Boxed<'a, Result<Option<Timestamp>, StoreError>>;

    /// Makes a barrier for so many parties, at least one, which is kept for `ttl` from its last arrival on. Tells whether it is new: one that
    /// is there stays as it is.
    fn create_barrier<'a>(&'a self, key: &'a str, parties: u32, ttl: Duration) -> Boxed<'a, Result<bool, StoreError>>;

    /// Counts a party of a barrier. Of all, one is told that it was the last.
    fn arrive<'a>(&'a self, key: &'a str, ttl: Duration) -> Boxed<'a, Result<Arrival, StoreError>>;

    /// How many parties of a barrier are still to come; `None` where nothing is known of it (any more).
    fn barrier<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<u32>, StoreError>>;

    /// Waits until a barrier is open; at once, where that cannot be looked for. Cancel safe.
    fn wait_open<'a>(&'a self, key: &'a str) -> Boxed<'a, ()>;
}
