//! A store whose worker can be made to sleep.

use tokio::sync::watch;

use super::at_once;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{
    Beat, Boxed, Claim, Completion, FetchRequest, Fetched, Finished, Inspect, Registration, Store, Wake, delegate,
};
use crate::stores::memory::MemoryStore;

/// A store whose calls can be held up, as if their worker slept, or the way to the store were slow.
#[derive(Clone, Debug)]
pub(super) struct Sleepy {
    pub(super) store: MemoryStore,
    /// Beats are held up on their way.
    pub(super) asleep: watch::Sender<bool>,
    /// What becomes of a beat's answer.
    pub(super) answers: watch::Sender<Answers>,
    /// What fetches bring is held up.
    pub(super) slow: watch::Sender<bool>,
    /// News are held up.
    pub(super) unwatched: watch::Sender<bool>,
    /// What becomes of the ends of runs.
    pub(super) ends: watch::Sender<Ends>,
    /// What becomes of the calls that record starts.
    pub(super) starts: watch::Sender<Starts>,
    /// How many of these there were.
    pub(super) starting: watch::Sender<usize>,
    /// How many fetches came while it was not registered.
    pub(super) unregistered: watch::Sender<usize>,
    /// How many beats were sent.
    pub(super) beating: watch::Sender<usize>,
    /// How many beats the store has answered.
    pub(super) beats: watch::Sender<usize>,
    /// How many calls were to store ends.
    pub(super) tries: watch::Sender<usize>,
    /// What the store has answered to ends.
    pub(super) finished: watch::Sender<Vec<Finished>>,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Come,
    AreHeldUp,
    AreLost,
}

/// What becomes of the ends of runs on their way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Pass,
    AreHeldUp,
    /// The store is not reached, and nothing happens.
    Fail,
    /// The store refuses each of them, and nothing happens.
    AreRefused,
    /// They are stored, and the answer is lost.
    AreUnanswered,
}

/// What becomes of the calls that record starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    Pass,
    AreHeldUp,
    /// Nothing is recorded, and this is the answer.
    Fail(StoreError),
    /// They are recorded, and the answer is lost.
    AreUnanswered,
}

impl Sleepy {
    pub(super) fn on(store: MemoryStore) -> Self {
        Self {
            store,
            asleep: watch::Sender::new(false),
            answers: watch::Sender::new(Answers::Come),
            slow: watch::Sender::new(false),
            unwatched: watch::Sender::new(false),
            ends: watch::Sender::new(Ends::Pass),
            starts: watch::Sender::new(Starts::Pass),
            starting: watch::Sender::new(0),
            unregistered: watch::Sender::new(0),
            beating: watch::Sender::new(0),
            beats: watch::Sender::new(0),
            tries: watch::Sender::new(0),
            finished: watch::Sender::default(),
        }
    }
}

pub(super) fn unreachable() -> StoreError {
    StoreError::Unreachable("as the test wants it".to_owned())
}

pub(super) fn refused() -> StoreError {
    StoreError::Refused("as the test wants it".to_owned())
}

async fn until<T>(value: &watch::Sender<T>, is_so: impl FnMut(&T) -> bool) {
    // The sender outlives the wait.
    let _ = value.subscribe().wait_for(is_so).await;
}

impl Store for Sleepy {
    delegate!(Store to self.store, except [fetch, wait, finish, start, beat]);

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        let fetched = at_once(self.store.fetch(registration, requests, limit));
        if fetched == Err(StoreError::NotRegistered) {
            self.unregistered.send_modify(|unregistered| *unregistered += 1);
        }
        Box::pin(async move {
            until(&self.slow, |slow| !slow).await;
            fetched
        })
    }

    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake> {
        Box::pin(async move {
            let wake = self.store.wait(queues, due).await;
            until(&self.unwatched, |unwatched| !unwatched).await;
            wake
        })
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        Box::pin(async move {
            self.tries.send_modify(|tries| *tries += 1);
            until(&self.ends, |ends| *ends != Ends::AreHeldUp).await;
            let ends = *self.ends.borrow();
            match ends {
                Ends::Fail => return Err(unreachable()),
                Ends::AreRefused => return Ok(vec![Finished::Refused(refused()); completions.len()]),
                Ends::Pass | Ends::AreHeldUp | Ends::AreUnanswered => {}
            }
            let answers = self.store.finish(registration, completions).await?;
            self.finished.send_modify(|all| all.extend(answers.iter().cloned()));
            if ends == Ends::AreUnanswered { Err(unreachable()) } else { Ok(answers) }
        })
    }

    fn start<'a>(
        &'a self,
        registration: &'a Registration,
        claims: &'a [Claim],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(async move {
            let mut starts = self.starts.borrow().clone();
            // Counted once its fate is decided.
            self.starting.send_modify(|calls| *calls += 1);
            if starts == Starts::AreHeldUp {
                until(&self.starts, |starts| *starts != Starts::AreHeldUp).await;
                starts = self.starts.borrow().clone();
            }
            if let Starts::Fail(error) = starts {
                return Err(error);
            }
            let held = self.store.start(registration, claims).await;
            if starts == Starts::AreUnanswered { Err(unreachable()) } else { held }
        })
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(async move {
            self.beating.send_modify(|beats| *beats += 1);
            until(&self.asleep, |asleep| !asleep).await;
            let beat = self.store.beat(registration, held, waiting).await;
            self.beats.send_modify(|beats| *beats += 1);
            until(&self.answers, |answers| *answers != Answers::AreHeldUp).await;
            match *self.answers.borrow() {
                Answers::AreLost => Err(unreachable()),
                _ => beat,
            }
        })
    }
}

impl Inspect for Sleepy {
    delegate!(Inspect to self.store);
}
