//! Stores that do not answer when a test says so, in three places that one store is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::clock::Clock;
use common::error::StoreError;
use common::store::{Boxed, Completion, Count, Counted, Finished, Inspect, Kept, Registration, Store, delegate};
use common::stores::memory::MemoryStore;
use common::stores::split::SplitStore;

/// A store in memory, and what happens on the way to it.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) store: MemoryStore,
    /// Values and counts do not reach it.
    pub(crate) is_away: AtomicBool,
    /// So many calls that end claims do not reach it.
    pub(crate) lost: AtomicUsize,
    /// How many calls there were that keep or count.
    pub(crate) calls: AtomicUsize,
}

fn away() -> StoreError {
    StoreError::Unreachable("it is away".to_owned())
}

impl Faulty {
    pub(crate) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(clock.clone()),
            is_away: AtomicBool::new(false),
            lost: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        })
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Whether a call that keeps or counts does not get through.
    fn fails(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.is_away.load(Ordering::Relaxed)
    }
}

impl Store for Faulty {
    delegate!(Store to self.store, except [finish, keep, count_members]);

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        if self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lost| lost.checked_sub(1)).is_ok() {
            return Box::pin(async { Err(away()) });
        }
        self.store.finish(registration, completions)
    }

    fn keep<'a>(&'a self, values: &'a [Kept]) -> Boxed<'a, Vec<Result<(), StoreError>>> {
        if self.fails() {
            return Box::pin(async { vec![Err(away()); values.len()] });
        }
        self.store.keep(values)
    }

    fn count_members<'a>(&'a self, counts: &'a [Count]) -> Boxed<'a, Vec<Result<Counted, StoreError>>> {
        if self.fails() {
            return Box::pin(async { vec![Err(away()); counts.len()] });
        }
        self.store.count_members(counts)
    }
}

impl Inspect for Faulty {
    delegate!(Inspect to self.store);
}

/// Queues, results and groups, each in a place of its own.
pub(crate) struct Places {
    pub(crate) queues: Arc<Faulty>,
    pub(crate) results: Arc<Faulty>,
    pub(crate) groups: Arc<Faulty>,
}

impl Places {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { queues: Faulty::new(clock), results: Faulty::new(clock), groups: Faulty::new(clock) }
    }

    /// All of them as one store, as one process has it.
    pub(crate) fn open(&self) -> SplitStore {
        let whole = SplitStore::new(self.queues.clone());
        whole.with_results(self.results.clone()).with_groups(self.groups.clone())
    }

    /// Nobody is registered in the other places, and nothing is queued there.
    pub(crate) async fn expect_nobody_elsewhere(&self) {
        for place in [&self.results, &self.groups] {
            assert_eq!(place.store.workers(None, 9).await, Ok(Vec::new()));
            assert_eq!(place.store.queues(None, 9).await, Ok(Vec::new()));
        }
    }
}
