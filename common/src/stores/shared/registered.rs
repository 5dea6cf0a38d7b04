//! The workers of a store, from when they register until they deregister, and what the beats of each have seen.
//!
//! A beat of a worker that is deregistered would register it again, and others would have to find it dead. So deregistering waits for
//! the beat that is under way, and what comes after that is refused, however long it has waited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync;

use crate::error::StoreError;
use crate::store::WorkerId;

/// Of each worker, `U` is what its beats have seen so far. Locked for moments only, never across a call.
#[derive(Debug)]
pub(in crate::stores) struct Registered<U>(Mutex<HashMap<WorkerId, Worker<U>>>);

#[derive(Debug, Default)]
struct Worker<U> {
    upkeep: U,
    /// Held by a beat from its first call to its last one, which leaves here how it failed.
    beating: Arc<sync::Mutex<Option<StoreError>>>,
}

impl<U> Default for Registered<U> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<U: Default> Registered<U> {
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

    /// One that could not register has nothing to take back.
    pub(in crate::stores) fn forget(&self, worker: &WorkerId) {
        self.all().remove(worker);
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
