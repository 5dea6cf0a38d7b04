//! Parties that wait for each other.

use std::time::Duration;

use super::TTL;
use crate::broker::Broker;
use crate::error::StoreError;
use crate::store::Arrival;

/// Parties that wait until all of them are there, in all processes.
///
/// Its key must be new for each use. To run something once all messages of many are done, a
/// [`Group`](crate::composition::Group) is the better way: it counts each member once, however often that runs.
///
/// # Source
///
/// dramatiq 2.2, `Barrier`, with its keys, so that parties may be of either language. Differs: one that was never made or is expired says so,
/// where there each party is told that all have come; a party that comes when all were there before is told so, where there it is a last one
/// too; any time can be waited for, where there it is a second at least; and who waits has arrived before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    key: String,
    ttl: Duration,
}

/// How far a barrier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierState {
    /// All are there.
    Open,
    /// So many are still to come.
    Waiting(u32),
    /// It was never made, or its time is over.
    Expired,
}

impl BarrierState {
    fn of(left: Option<u32>) -> Self {
        match left {
            Some(0) => Self::Open,
            Some(left) => Self::Waiting(left),
            None => Self::Expired,
        }
    }
}

impl Barrier {
    /// A barrier of this name, which is kept for 15 minutes from its last arrival on unless [`ttl`](Barrier::ttl) says otherwise.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ttl: TTL }
    }

    /// How long it is kept.
    ///
    /// # Panics
    ///
    /// When it is less than a millisecond.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        assert!(ttl >= Duration::from_millis(1), "the `ttl` of a barrier is a millisecond at least");
        self.ttl = ttl;
        self
    }

    /// Makes it for so many parties. Tells whether it is new: one that is there stays as it is.
    ///
    /// # Panics
    ///
    /// When there are no parties.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn create(&self, broker: &Broker, parties: u32) -> Result<bool, StoreError> {
        assert!(parties > 0, "a barrier has one party at least");
        let Self { key, ttl } = self.clone();
        broker.limited(|broker| broker.create_barrier(key, parties, ttl)).await
    }

    /// The same, from a thread that may wait.
    ///
    /// # Panics
    ///
    /// As [`Barrier::create`].
    ///
    /// # Errors
    ///
    /// As [`Barrier::create`].
    pub fn create_blocking(&self, broker: &Broker, parties: u32) -> Result<bool, StoreError> {
        assert!(parties > 0, "a barrier has one party at least");
        let Self { key, ttl } = self.clone();
        broker.limited_blocking(|broker| broker.create_barrier(key, parties, ttl))
    }

    /// Tells that a party is there. One of all is told that it is the last one; it may be killed before it does anything about that, and then
    /// nobody is told again.
    ///
    /// # Errors
    ///
    /// What the store says. After a lost answer the party may have been counted, and to arrive again would count it twice.
    pub async fn arrive(&self, broker: &Broker) -> Result<Arrival, StoreError> {
        let Self { key, ttl } = self.clone();
        broker.limited(|broker| broker.arrive(key, ttl)).await
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Barrier::arrive`].
    pub fn arrive_blocking(&self, broker: &Broker) -> Result<Arrival, StoreError> {
        let Self { key, ttl } = self.clone();
        broker.limited_blocking(|broker| broker.arrive(key, ttl))
    }

    /// How far it is.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn state(&self, broker: &Broker) -> Result<BarrierState, StoreError> {
        let key = self.key.clone();
        Ok(BarrierState::of(broker.limited(|broker| broker.barrier(key)).await?))
    }

    /// Waits until all are there, for `timeout` at most, and tells how far it is then. Does not arrive itself, and asks nothing meanwhile. Cancel
    /// safe.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn wait(&self, broker: &Broker, timeout: Duration) -> Result<BarrierState, StoreError> {
        let key = self.key.clone();
        let left = broker.limited_while_wanted(|broker| broker.barrier_within(key, timeout)).await?;
        Ok(BarrierState::of(left))
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Barrier::wait`].
    pub fn wait_blocking(&self, broker: &Broker, timeout: Duration) -> Result<BarrierState, StoreError> {
        let key = self.key.clone();
        Ok(BarrierState::of(broker.limited_blocking(|broker| broker.barrier_within(key, timeout))?))
    }
}
