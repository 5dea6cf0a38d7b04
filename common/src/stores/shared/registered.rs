//! The workers of a store, from when they register until they deregister, and what the beats of each have seen.
//!
//! A beat of a worker that is deregistered would register it again, and others would have to find it dead. So deregistering waits for
//! the beat that is under way, and what comes after that is refused, however long it has waited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync;
use tracing::warn;

use super::batch::release;
use super::orphaned_claims::{OrphanedClaims, compare};
use super::seldom::is_time;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Beat, Claim, Completion, Registration, WorkerId};

/// How often a worker looks for what has expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Of each worker, `U` is what its beats have seen so far and only this store asks about. Locked for moments only, never across a
/// call.
#[derive(Debug)]
pub(in crate::stores) struct Registered<U>(Mutex<HashMap<WorkerId, Worker<U>>>);

#[derive(Debug, Default)]
struct Worker<U> {
    upkeep: U,
    /// Claims that the worker does not know of.
    orphaned: OrphanedClaims,
    expired: Option<Duration>,
    /// Held by a beat from its first call to its last one, which leaves here how it failed.
    beating: Arc<sync::Mutex<Option<StoreError>>>,
}

/// What a beat makes of a worker's claims.
#[derive(Debug)]
pub(in crate::stores) struct Compared {
    /// What it lost.
    pub(in crate::stores) lost: Vec<Claim>,
    /// What goes back to the heads of its queues.
    pub(in crate::stores) forgotten: Vec<Completion>,
}

impl<U> Default for Registered<U> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<U: Default> Registered<U> {
    /// Registers a worker under a fresh id, by its first beat.
    ///
    /// # Errors
    ///
    /// As the beat; nobody is registered then.
    pub(in crate::stores) async fn register<F>(
        &self,
        queues: &[QueueName],
        beat: impl FnOnce(Registration) -> F,
    ) -> Result<Registration, StoreError>
    where
        F: Future<Output = Result<Beat, StoreError>>,
    {
        let registration = Registration { worker: WorkerId::random(), queues: queues.to_vec() };
        self.add(&registration.worker);
        match self.beat(&registration.worker, beat(registration.clone())).await {
            Ok(_) => Ok(registration),
            Err(error) => {
                self.forget(&registration.worker);
                Err(error)
            }
        }
    }

    /// From now on, this worker may beat.
    pub(in crate::stores) fn add(&self, worker: &WorkerId) {
        self.all().insert(worker.clone(), Worker::default());
    }

    /// Runs a beat of a worker, once those that began before have ended.
    ///
    /// # Errors
    ///
    /// As the beat. Of one that is deregistered, it is not run.
    pub(in crate::stores) async fn beat<T>(
        &self,
        worker: &WorkerId,
        beat: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let is_deregistered = || StoreError::Refused("this worker is deregistered".to_owned());
        let beating = self.beating(worker).ok_or_else(is_deregistered)?;
        let mut failure = beating.lock().await;
        // While this one waited, perhaps.
        self.beating(worker).ok_or_else(is_deregistered)?;
        let beaten = beat.await;
        *failure = beaten.as_ref().err().cloned();
        beaten
    }

    /// Ends the beats of a worker that deregisters, and forgets what they have seen.
    ///
    /// # Errors
    ///
    /// As the beat that was under way: nobody answers, and another call would only take as long.
    pub(in crate::stores) async fn remove(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let Some(beating) = self.beating(worker) else { return Ok(()) };
        let is_beating = beating.try_lock().is_err();
        let failure = beating.lock().await;
        self.forget(worker);
        failure.clone().filter(|_| is_beating).map_or(Ok(()), Err)
    }

    /// Compares what a worker believes to hold with what it holds, as far as that could be read: answers what it lost, and releases
    /// what it cannot come to know of any more, because the answer that brought it was lost.
    pub(in crate::stores) fn compare(
        &self,
        worker: &WorkerId,
        held: &[Claim],
        claims: &[Claim],
        unread: &[QueueName],
        uptime: Duration,
    ) -> Compared {
        let (mut lost, orphaned) = compare(held, claims);
        lost.retain(|claim| !unread.contains(&claim.queue));
        let forgotten = self.of(worker, |known| known.orphaned.forgotten(uptime, orphaned)).unwrap_or_default();
        if !forgotten.is_empty() {
            warn!(target: "common::broker", "requeued {} claims of a lost fetch reply", forgotten.len());
        }
        Compared { lost, forgotten: release(forgotten) }
    }

    /// A worker tries to end these claims, so it knows of them.
    pub(in crate::stores) fn remember(&self, worker: &WorkerId, completions: &[Completion]) {
        self.of(worker, |known| known.orphaned.remember(completions));
    }

    /// A call of a worker has begun that may bring claims or end them.
    pub(in crate::stores) fn begin_call(&self, worker: &WorkerId, uptime: Duration) {
        self.of(worker, |known| known.orphaned.begin_call(uptime));
    }

    /// A call is over that had begun at `since`, answered or not.
    pub(in crate::stores) fn end_call(&self, worker: &WorkerId, since: Duration, uptime: Duration) {
        self.of(worker, |known| known.orphaned.end_call(since, uptime));
    }

    /// Whether this beat of a worker is to look for what has expired; if so, it counts as done.
    pub(in crate::stores) fn is_expiring(&self, worker: &WorkerId, uptime: Duration) -> bool {
        self.of(worker, |known| is_time(&mut known.expired, uptime, EXPIRE_EVERY)).unwrap_or_default()
    }

    fn forget(&self, worker: &WorkerId) {
        self.all().remove(worker);
    }

    fn of<T>(&self, worker: &WorkerId, see: impl FnOnce(&mut Worker<U>) -> T) -> Option<T> {
        self.all().get_mut(worker).map(see)
    }

    /// Looks at what a worker's beats have seen; of one that is deregistered, nothing is kept.
    pub(in crate::stores) fn with<T>(&self, worker: &WorkerId, see: impl FnOnce(&mut U) -> T) -> T {
        match self.all().get_mut(worker) {
            Some(known) => see(&mut known.upkeep),
            None => see(&mut U::default()),
        }
    }

    /// How many there are.
    pub(in crate::stores) fn count(&self) -> usize {
        self.all().len()
    }

    /// The most that any worker's beats have seen of something.
    #[cfg(feature = "sqlite")]
    pub(in crate::stores) fn most<T: Ord>(&self, of: impl Fn(&U) -> T) -> Option<T> {
        self.all().values().map(|known| of(&known.upkeep)).max()
    }

    fn beating(&self, worker: &WorkerId) -> Option<Arc<sync::Mutex<Option<StoreError>>>> {
        self.all().get(worker).map(|known| Arc::clone(&known.beating))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<WorkerId, Worker<U>>> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
