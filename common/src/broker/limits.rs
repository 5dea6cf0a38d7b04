//! Limits and barriers, as they are asked for through a broker.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::Broker;
use super::leases::HeldSlot;
use crate::actor::waits;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::StoreError;
use crate::store::{Arrival, Grant, Inspect, Limiters, RateLimit, Slot, SlotLimit};

/// What keeps the limits of a store.
fn limiters(store: &Arc<dyn Inspect>) -> Result<&dyn Limiters, StoreError> {
    store.limiters().ok_or_else(|| StoreError::Refused(format!("{} keeps no limits", store.address())))
}

impl Broker {
    /// Runs `work` to its end on the I/O thread, whether or not its caller goes on waiting.
    pub(crate) async fn limited<T: Send + 'static, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.on_io_thread(work(self.clone())).await?
    }

    /// The same, which ends when its caller stops waiting.
    pub(crate) async fn limited_while_wanted<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.0.io_thread.check()?;
        self.0.io_thread.run_while_wanted(work(self.clone())).await
    }

    /// The same, from a thread that may wait.
    pub(crate) fn limited_blocking<T: Send + 'static, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.0.io_thread.check()?;
        self.0.io_thread.run_blocking(work(self.clone()))
    }

    /// Takes a slot, or tells when one may be free.
    pub(crate) async fn take_slot(self, limit: SlotLimit) -> Result<Result<HeldSlot, Timestamp>, StoreError> {
        let (slot, asked_at) = (Slot { of: limit, token: Uuid::new_v4().to_string() }, self.0.clock.uptime());
        Ok(match limiters(&self.0.store)?.acquire(&slot).await? {
            Grant::Granted { fence } => Ok(HeldSlot::new(&self, slot, fence, asked_at)),
            Grant::Denied { again } => Err(again),
        })
    }

    /// The same, waiting for `at_most`; `None` where none was free in time. Cancel safe.
    pub(crate) async fn take_slot_within(
        self,
        limit: SlotLimit,
        at_most: Duration,
    ) -> Result<Option<HeldSlot>, StoreError> {
        let (waited, turn) = (Stopwatch::start(), self.0.leases.turn(&limit.key));
        let Ok(_turn) = timeout(at_most, waits::waiting(turn.lock())).await else { return Ok(None) };
        loop {
            // On its own: what it is granted is held or given back, even if nobody waits for it any more.
            let again = match self.limited(|broker| broker.take_slot(limit.clone())).await? {
                Ok(held) => return Ok(Some(held)),
                Err(again) => again,
            };
            let left = at_most.saturating_sub(waited.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let free = async {
                tokio::select! {
                    () = limiters(&self.0.store)?.wait_free(&limit) => {}
                    () = self.0.clock.sleep_until(again) => {}
                }
                Ok::<_, StoreError>(())
            };
            // Told, or in time for a last look.
            timeout(left, waits::waiting(free)).await.unwrap_or(Ok(()))?;
        }
    }

    /// Counts what is about to happen; or tells when there will be room.
    pub(crate) async fn pass(self, rate: RateLimit) -> Result<Option<Timestamp>, StoreError> {
        limiters(&self.0.store)?.pass(&rate).await
    }

    /// The same, waiting for `at_most`, where there may be room in time. Cancel safe.
    pub(crate) async fn pass_within(self, rate: RateLimit, at_most: Duration) -> Result<Option<Timestamp>, StoreError> {
        let (waited, turn) = (Stopwatch::start(), self.0.leases.turn(&rate.key));
        let turn = timeout(at_most, waits::waiting(turn.lock())).await;
        loop {
            let Some(again) = self.limited(|broker| broker.pass(rate.clone())).await? else { return Ok(None) };
            let left = at_most.saturating_sub(waited.elapsed());
            if turn.is_err() || left.is_zero() || again.since(self.0.clock.now()) > left {
                return Ok(Some(again));
            }
            let _ = timeout(left, waits::waiting(self.0.clock.sleep_until(again))).await;
        }
    }

    pub(crate) async fn create_barrier(self, key: String, parties: u32, ttl: Duration) -> Result<bool, StoreError> {
        limiters(&self.0.store)?.create_barrier(&key, parties, ttl).await
    }

    pub(crate) async fn arrive(self, key: String, ttl: Duration) -> Result<Arrival, StoreError> {
        limiters(&self.0.store)?.arrive(&key, ttl).await
    }

    /// How many parties are still to come; `None` where nothing is known of the barrier.
    pub(crate) async fn barrier(self, key: String) -> Result<Option<u32>, StoreError> {
        limiters(&self.0.store)?.barrier(&key).await
    }

    /// The same once it is open, or after `at_most`. Cancel safe.
    pub(crate) async fn barrier_within(self, key: String, at_most: Duration) -> Result<Option<u32>, StoreError> {
        let waited = Stopwatch::start();
        loop {
            let parties = limiters(&self.0.store)?.barrier(&key).await?;
            let left = at_most.saturating_sub(waited.elapsed());
            if parties.is_none_or(|parties| parties == 0) || left.is_zero() {
                return Ok(parties);
            }
            // Told, or in time for a last look.
            let _ = timeout(left, waits::waiting(limiters(&self.0.store)?.wait_open(&key))).await;
        }
    }
}
