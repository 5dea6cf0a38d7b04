//! Slots of limits that are held through a broker.
//!
//! All of them are renewed in one call, each third of a lease, by a task on the I/O thread that is there as long as any is held. Whoever
//! waits for a slot of a limit does so in a line, of which only the first asks the store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Broker;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::{Inspect, Slot};

/// After so much of a lease, it is renewed; and after so much more, tried again.
const RENEWED: u32 = 3;
const TRIED: u32 = 10;

/// What one broker holds.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<Held>,
    /// There is another lease, or one less.
    changed: Notify,
    /// The lines, by their limits' keys.
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Held {
    /// By token.
    leases: HashMap<String, Arc<Lease>>,
    /// Somebody renews them.
    is_renewing: bool,
}

/// One slot, and how long it is held without being renewed. Times are the clock's uptime, in microseconds.
#[derive(Debug)]
pub(crate) struct Lease {
    slot: Slot,
    length: Duration,
    /// When the last call was asked that has begun it anew.
    renewed: AtomicU64,
    /// When it was last tried.
    tried: AtomicU64,
    lost: watch::Sender<bool>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Lease {
    fn new(slot: Slot, asked_at: Duration) -> Self {
        let (length, asked_at) = (slot.of.lease(), micros(asked_at));
        let lost = watch::Sender::new(false);
        Self { slot, length, renewed: asked_at.into(), tried: asked_at.into(), lost }
    }

    fn renewed(&self) -> Duration {
        Duration::from_micros(self.renewed.load(Ordering::Relaxed))
    }

    /// When it has to be looked after, at the latest: to be renewed, or found lost.
    fn due(&self) -> Duration {
        let tried = Duration::from_micros(self.tried.load(Ordering::Relaxed));
        let again = (self.renewed() + self.length / RENEWED).max(tried + self.length / TRIED);
        again.min(self.renewed() + self.length)
    }

    fn is_over(&self, uptime: Duration) -> bool {
        uptime.saturating_sub(self.renewed()) >= self.length
    }

    fn lose(&self) {
        if !self.lost.send_replace(true) {
            tracing::warn!(
                target: "common::broker",
                "lost a slot of the limit `{}`: it was not renewed for {} ms, and others may have it now",
                self.slot.of.key,
                self.length.as_millis(),
            );
        }
    }
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing under this lock panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of those who wait for a limit.
    pub(super) fn turn(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// Adds a lease. Tells whether nobody renews yet.
    fn add(&self, lease: Arc<Lease>) -> bool {
        let mut held = self.held();
        held.leases.insert(lease.slot.token.clone(), lease);
        self.changed.notify_one();
        !std::mem::replace(&mut held.is_renewing, true)
    }

    fn remove(&self, lease: &Lease) {
        self.held().leases.remove(&lease.slot.token);
        self.changed.notify_one();
    }

    /// How long nothing has to be done; `None` where nothing is held, and whoever renews ends with that.
    fn idle(&self, uptime: Duration) -> Option<Duration> {
        let mut held = self.held();
        let next = held.leases.values().filter(|lease| !*lease.lost.borrow()).map(|lease| lease.due()).min();
        held.is_renewing = next.is_some();
        let idle = next?.saturating_sub(uptime);
        // A clock cuts off parts of a millisecond.
        Some(if idle.is_zero() { idle } else { idle + Duration::from_millis(1) })
    }

    /// What is to be renewed now: if anything, everything.
    fn to_renew(&self, uptime: Duration) -> Vec<Arc<Lease>> {
        let held = self.held();
        let (over, held): (Vec<_>, Vec<_>) = held
            .leases
            .values()
            .filter(|lease| !*lease.lost.borrow())
            .cloned()
            .partition(|lease| lease.is_over(uptime));
        for lease in over {
            lease.lose();
        }
        if held.iter().any(|lease| lease.due() <= uptime) { held } else { Vec::new() }
    }

    /// Renews what is held, until nothing is.
    async fn renew(self: Arc<Self>, store: Arc<dyn Inspect>, clock: Clock) {
        loop {
            // First, as a clock that is moved in between must not make it late.
            let now = clock.now();
            let Some(idle) = self.idle(clock.uptime()) else { return };
            tokio::select! {
                () = clock.sleep_until(now + idle) => {}
                () = self.changed.notified() => continue,
            }
            let asked_at = clock.uptime();
            let leases = self.to_renew(asked_at);
            let (Some(limiters), false) = (store.limiters(), leases.is_empty()) else { continue };
            let slots: Vec<_> = leases.iter().map(|lease| lease.slot.clone()).collect();
            for lease in &leases {
                lease.tried.store(micros(asked_at), Ordering::Relaxed);
            }
            match limiters.renew(&slots).await {
                Ok(renewed) => {
                    for (lease, is_held) in leases.iter().zip(renewed) {
                        if is_held {
                            lease.renewed.store(micros(asked_at), Ordering::Relaxed);
                        } else if self.held().leases.contains_key(&lease.slot.token) {
                            lease.lose();
                        }
                    }
                }
                Err(error) => tracing::debug!(target: "common::broker", "cannot renew slots of limits: {error}"),
            }
        }
    }
}

/// A slot that is held; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct HeldSlot {
    lease: Arc<Lease>,
    pub(crate) fence: u64,
    broker: Broker,
    /// Somebody sees to its release.
    is_released: bool,
}

impl HeldSlot {
    /// What was granted to a call that was asked at this uptime.
    pub(super) fn new(broker: &Broker, slot: Slot, fence: u64, asked_at: Duration) -> Self {
        let lease = Arc::new(Lease::new(slot, asked_at));
        if broker.0.leases.add(lease.clone()) {
            let renewing = broker.0.leases.clone().renew(broker.0.store.clone(), broker.0.clock.clone());
            broker.0.io_thread.begin(renewing);
        }
        Self { lease, fence, broker: broker.clone(), is_released: false }
    }

    pub(crate) fn key(&self) -> &str {
        &self.lease.slot.of.key
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.lease.lost.borrow() || self.lease.is_over(self.broker.0.clock.uptime())
    }

    pub(crate) async fn lost(&self) {
        // The sender lives as long as `self`, so the channel cannot close under us.
        let _ = self.lease.lost.subscribe().wait_for(|lost| *lost).await;
    }

    pub(crate) async fn release(mut self) -> Result<bool, StoreError> {
        let release = self.begin_release();
        self.broker.on_io_thread(release).await?
    }

    pub(crate) fn release_blocking(mut self) -> Result<bool, StoreError> {
        self.broker.0.io_thread.check()?;
        let release = self.begin_release();
        self.broker.0.io_thread.run_blocking(release)
    }

    /// Whoever runs this has released it.
    fn begin_release(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        self.is_released = true;
        self.broker.0.leases.remove(&self.lease);
        let (store, slot) = (self.broker.0.store.clone(), self.lease.slot.clone());
        async move {
            let Some(limiters) = store.limiters() else { return Ok(false) };
            Ok(limiters.release(&[slot]).await?.first().copied().unwrap_or(false))
        }
    }
}

impl Drop for HeldSlot {
    fn drop(&mut self) {
        // A forked child holds nothing, and its parent's slot is not its to give back.
        if self.is_released || self.broker.0.io_thread.check().is_err() {
            return;
        }
        let release = self.begin_release();
        self.broker.0.io_thread.begin(async move {
            if let Err(error) = release.await {
                tracing::debug!(target: "common::broker", "cannot release a slot, which ends with its lease: {error}");
            }
        });
    }
}
