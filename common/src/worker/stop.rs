//! How a worker is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tracing::warn;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Everything that ran has ended, the rest was requeued.
    Clean,
    /// Something was still running, and will run again: it was requeued, or had been given to others before.
    Forced,
    /// The store did not answer: what the worker held runs again once others find it dead, or has ended already.
    Unreachable,
}

/// How far a worker's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Fetch no longer, requeue what has not started, wait for what runs.
    Stopping,
    /// Requeue everything, wait for nothing.
    Forced,
}

/// Stops a worker; clones stop the same one.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Stage>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stage::Running))
    }

    /// Stops the worker when this is dropped, unless it has ended by then.
    pub(super) fn when_dropped(&self) -> StopWhenDropped {
        StopWhenDropped { stopper: self.clone(), is_dropped: Arc::default() }
    }

    /// Lets the worker end: it no longer fetches, requeues what has not started, and waits for what runs, as long as
    /// its shutdown timeout lets it.
    pub fn stop(&self) {
        self.raise(Stage::Stopping);
    }

    /// Ends the worker at once: what still runs is requeued, and will run again.
    pub fn stop_now(&self) {
        self.raise(Stage::Forced);
    }

    /// Waits until the stage is beyond `stage`, and returns it. Cancel safe.
    pub(super) async fn beyond(&self, stage: Stage) -> Stage {
        let mut stages = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close under us.
        stages.wait_for(|now| *now > stage).await.map_or(Stage::Forced, |now| *now)
    }

    /// How far it has come.
    pub(super) fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Answers whether that is news.
    fn raise(&self, to: Stage) -> bool {
        self.0.send_if_modified(|stage| {
            let raised = *stage < to;
            *stage = to.max(*stage);
            raised
        })
    }
}

/// What stands in the future of a worker's run, and is dropped with it.
#[derive(Debug)]
pub(super) struct StopWhenDropped {
    stopper: Stopper,
    is_dropped: Arc<AtomicBool>,
}

impl StopWhenDropped {
    /// Tells later whether the future was dropped.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.is_dropped.clone()
    }

    /// The worker has ended by itself.
    pub(super) fn disarm(self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        if !self.is_dropped.swap(true, Ordering::Relaxed) && self.stopper.raise(Stage::Stopping) {
            warn!(target: "common::worker", "the future of this worker's run was dropped: no longer fetching, requeueing prefetched messages, letting running ones finish");
        }
    }
}
