//! A worker that runs beside the program which has started it.

use std::fmt;

use tokio::sync::{oneshot, watch};
use tracing::error;

use super::stop::{Dropped, Shutdown, StopWhenDropped, Stopper};
use crate::broker::Broker;
use crate::error::{Forked, StoreError, WorkerError};

/// What the handle of a worker is told as that goes on.
#[derive(Debug)]
pub(super) struct News {
    ready: watch::Sender<Option<Result<(), WorkerError>>>,
    ended: oneshot::Sender<Result<Shutdown, WorkerError>>,
    dropped: Dropped,
}

impl News {
    /// Whether the handle was dropped.
    pub(super) fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// It is registered, and about to fetch.
    pub(super) fn ready(&self) {
        self.ready.send_replace(Some(Ok(())));
    }

    /// It has ended, or could not start.
    pub(super) fn ended(self, ended: Result<Shutdown, WorkerError>) {
        self.dropped.settle();
        if let Err(error) = &ended {
            // Nobody may ever ask the handle.
            error!(target: "common::worker", "a worker could not start: {error}");
            self.ready.send_replace(Some(Err(error.clone())));
        }
        let _ = self.ended.send(ended);
    }
}

/// A worker that [`Worker::start`](super::Worker::start) has started.
///
/// Dropping it stops the worker, as [`Stopper::stop`] does, and does not wait for its end: keep it for as long as the worker is to
/// run. [Further lifetimes](super::Worker#lifetimes).
#[must_use = "the worker stops when this is dropped"]
pub struct RunningWorker {
    broker: Broker,
    stopper: Stopper,
    ready: watch::Receiver<Option<Result<(), WorkerError>>>,
    ended: oneshot::Receiver<Result<Shutdown, WorkerError>>,
    _stops_when_dropped: StopWhenDropped,
}

impl RunningWorker {
    /// The handle of a worker to be, and what tells it the news.
    pub(super) fn new(broker: Broker, stopper: Stopper) -> (Self, News) {
        let (tell_ready, ready) = watch::channel(None);
        let (tell_ended, ended) = oneshot::channel();
        let stops = stopper.when_dropped("handle");
        let news = News { ready: tell_ready, ended: tell_ended, dropped: stops.watch() };
        (Self { broker, stopper, ready, ended, _stops_when_dropped: stops }, news)
    }

    /// Waits until the worker is registered, and about to fetch for the first time. Cancel safe.
    ///
    /// # Errors
    ///
    /// Why it could not start, as [`Worker::run`](super::Worker::run) says it; [`RunningWorker::join`] says the same.
    pub async fn ready(&self) -> Result<(), WorkerError> {
        self.check()?;
        wait_until_ready(self.ready.clone()).await
    }

    /// The same, from a thread that may wait: a plain `main`.
    ///
    /// # Errors
    ///
    /// As [`RunningWorker::ready`].
    pub fn ready_blocking(&self) -> Result<(), WorkerError> {
        self.check()?;
        self.broker.io_thread().run_blocking(wait_until_ready(self.ready.clone()))
    }

    /// Lets the worker end: [`Stopper::stop`]. Does not wait for it.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Ends the worker at once: [`Stopper::stop_now`]. Does not wait for it.
    pub fn stop_now(&self) {
        self.stopper.stop_now();
    }

    /// What stops this worker, from anywhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until the worker has ended. It does not stop it; but dropping this future does, as dropping the handle would.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`](super::Worker::run).
    pub async fn join(mut self) -> Result<Shutdown, WorkerError> {
        self.check()?;
        (&mut self.ended).await.unwrap_or_else(|_| Err(lost()))
    }

    /// The same, from a thread that may wait: a plain `main`.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`](super::Worker::run).
    pub fn join_blocking(self) -> Result<Shutdown, WorkerError> {
        self.check()?;
        let Self { broker, ended, _stops_when_dropped, .. } = self;
        broker.io_thread().run_blocking(ended).unwrap_or_else(|_| Err(lost()))
    }

    /// Whether it runs in this process.
    fn check(&self) -> Result<(), Forked> {
        self.broker.io_thread().check()
    }
}

/// Waits for the news that it is ready, or could not start.
async fn wait_until_ready(mut ready: watch::Receiver<Option<Result<(), WorkerError>>>) -> Result<(), WorkerError> {
    let told = ready.wait_for(Option::is_some).await.map(|told| told.clone());
    told.ok().flatten().unwrap_or_else(|| Err(lost()))
}

/// The worker's loop is gone, and has not said how it ended.
fn lost() -> WorkerError {
    WorkerError::Store(StoreError::Refused("the loop of this worker has panicked".to_owned()))
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker").field("broker", &self.broker).finish_non_exhaustive()
    }
}
