//! How many go on at the same time.

use std::time::Duration;

use super::{Guard, LimitError, LimitExceeded, TTL};
use crate::broker::{Broker, HeldSlot};
use crate::error::StoreError;
use crate::store::SlotLimit;

/// Limits how many go on at the same time, in all processes.
///
/// ```
/// use common::rate_limits::{Concurrent, LimitError};
/// use common::{Broker, actor};
///
/// #[actor]
/// fn resize(broker: &Broker, picture: u64) -> Result<(), LimitError> {
///     let _slot = Concurrent::new("resize", 3).acquire_blocking(broker)?;
///     // Not more than three at once, and no retry is spent on waiting for that.
///     Ok(())
/// }
/// ```
///
/// No more than the limit are ever held by holders that live. A slot is free again when its [`Guard`] is dropped. A holder that dies, or is
/// cut off from the store, loses it with its lease: ten seconds, or a third of the [`ttl`](Concurrent::ttl) if that is less. One that goes
/// on for all that knows by [`Guard::is_lost`], and frees nobody else's slot when it ends.
///
/// # Source
///
/// dramatiq 2.2, `ConcurrentRateLimiter`, whose counter this is: holders of either language count for both. Differs: there, a slot whose
/// holder has died is free after the `ttl`, and not while others come and go; and a holder that outlives the `ttl` gives back the slot of
/// somebody else. That a holder of this library has died is noticed by this library: where nobody of it asks for a slot, or holds one, Python
/// gets that back after the `ttl`. A slot that a process of Python's has leaked is free for this library once the `ttl` is over (less one
/// lease), whatever goes on meanwhile in this library's processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrent(SlotLimit);

impl Concurrent {
    /// At most `limit` at the same time.
    ///
    /// # Panics
    ///
    /// When `limit` is zero: nothing would ever be let through.
    #[must_use]
    pub fn new(key: impl Into<String>, limit: u32) -> Self {
        assert!(limit > 0, "a limit is at least one");
        Self(SlotLimit { key: key.into(), limit, ttl: TTL })
    }

    /// One at a time.
    #[must_use]
    pub fn mutex(key: impl Into<String>) -> Self {
        Self::new(key, 1)
    }

    /// How long a slot is kept for a holder of Python's, which renews nothing: the same as it says there. 15 minutes unless this says
    /// otherwise.
    ///
    /// # Panics
    ///
    /// When it is less than a second: it could not be renewed in time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        assert!(ttl >= Duration::from_secs(1), "the `ttl` of a limit is a second at least");
        self.0.ttl = ttl;
        self
    }

    fn denied(&self) -> LimitError {
        LimitExceeded::new(&self.0.key, None).into()
    }

    fn guard(&self, held: Result<Option<HeldSlot>, StoreError>) -> Result<Guard, LimitError> {
        Ok(Guard(held?.ok_or_else(|| self.denied())?))
    }

    /// Takes a slot, if one is free now.
    ///
    /// # Errors
    ///
    /// [`LimitError::Exceeded`] when none is free, else what the store says.
    pub async fn acquire(&self, broker: &Broker) -> Result<Guard, LimitError> {
        let limit = self.0.clone();
        self.guard(broker.limited(|broker| broker.take_slot(limit)).await.map(Result::ok))
    }

    /// The same, from a thread that may wait: a sync actor.
    ///
    /// # Errors
    ///
    /// As [`Concurrent::acquire`].
    pub fn acquire_blocking(&self, broker: &Broker) -> Result<Guard, LimitError> {
        let limit = self.0.clone();
        self.guard(broker.limited_blocking(|broker| broker.take_slot(limit)).map(Result::ok))
    }

    /// Takes a slot as soon as one is free, within `timeout`. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`LimitError::Exceeded`] when none was free in time, else what the store says.
    pub async fn acquire_within(&self, broker: &Broker, timeout: Duration) -> Result<Guard, LimitError> {
        let limit = self.0.clone();
        self.guard(broker.limited_while_wanted(|broker| broker.take_slot_within(limit, timeout)).await)
    }

    /// The same, from a thread that may wait: a sync actor.
    ///
    /// # Errors
    ///
    /// As [`Concurrent::acquire_within`].
    pub fn acquire_within_blocking(&self, broker: &Broker, timeout: Duration) -> Result<Guard, LimitError> {
        let limit = self.0.clone();
        self.guard(broker.limited_blocking(|broker| broker.take_slot_within(limit, timeout)))
    }
}
