//! Looking at a worker from outside while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::local_queue::{CurrentRun, LocalQueue};
use crate::clock::Stopwatch;
use crate::store::{BEAT_INTERVAL, DEAD_AFTER, WorkerId};

/// Looks at a worker while it runs; [`Worker::monitor`](super::Worker::monitor) gives one, and clones look at the same worker.
///
/// Each look reads memory of this process, and asks nobody.
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    registered: OnceLock<(WorkerId, Weak<LocalQueue>)>,
    beaten: Mutex<Option<Stopwatch>>,
    is_fetching: AtomicBool,
    lost_claims: AtomicU64,
}

impl Monitor {
    /// The worker's id, as stores and other workers know it; none before it is registered.
    #[must_use]
    pub fn id(&self) -> Option<WorkerId> {
        self.0.registered.get().map(|(id, _)| id.clone())
    }

    /// Whether others take it to be alive: the broker has answered one of its last heartbeats. For a liveness probe.
    #[must_use]
    pub fn is_beating(&self) -> bool {
        let beaten = *self.0.beaten.lock().unwrap_or_else(PoisonError::into_inner);
        beaten.is_some_and(|since| since.elapsed() < BEAT_INTERVAL * DEAD_AFTER)
    }

    /// Whether it takes messages: it is registered, has not been told to stop, and its broker answers. For a readiness probe.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        self.0.is_fetching.load(Ordering::Relaxed)
    }

    /// How many claims it has lost: others took it to be dead, and its ends of these had no effect.
    #[must_use]
    pub fn lost_claims(&self) -> u64 {
        self.0.lost_claims.load(Ordering::Relaxed)
    }

    /// What it runs, by slot.
    #[must_use]
    pub fn running(&self) -> Vec<CurrentRun> {
        let queue = self.0.registered.get().and_then(|(_, queue)| queue.upgrade());
        queue.map(|queue| queue.current_runs()).unwrap_or_default()
    }

    pub(super) fn registered(&self, id: &WorkerId, queue: &Arc<LocalQueue>) {
        // A worker registers once.
        let _ = self.0.registered.set((id.clone(), Arc::downgrade(queue)));
    }

    pub(super) fn beaten(&self, lost: usize) {
        *self.0.beaten.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stopwatch::start());
        if lost > 0 {
            self.0.lost_claims.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn fetches(&self, is_fetching: bool) {
        self.0.is_fetching.store(is_fetching, Ordering::Relaxed);
    }
}
