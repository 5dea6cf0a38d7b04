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
    /// As many runs were stuck as there are slots: each went on for more than five seconds after it was told that its time is over.
    /// Their messages have failed by that; a new process begins anew.
    Stuck,
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

    /// Stops the worker when this is dropped, unless it has ended by then; `what` that was, the log says.
    pub(super) fn when_dropped(&self, what: &'static str) -> StopWhenDropped {
        StopWhenDropped { what, stopper: self.clone(), is_settled: Arc::default() }
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

/// What stands in what people hold of a worker that runs, and is dropped with it.
#[derive(Debug)]
pub(super) struct StopWhenDropped {
    what: &'static str,
    stopper: Stopper,
    /// It was dropped, or the worker has ended.
    is_settled: Arc<AtomicBool>,
}

/// Whether what people hold of a worker was dropped while it ran.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    what: &'static str,
    is_settled: Arc<AtomicBool>,
}

impl StopWhenDropped {
    /// What is told that the worker has ended.
    pub(super) fn watch(&self) -> Dropped {
        Dropped { what: self.what, is_settled: self.is_settled.clone() }
    }
}

impl Dropped {
    /// Whether it was dropped, or the worker has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Relaxed)
    }

    /// From now on dropping changes nothing, for the worker has ended. Tells what was dropped before that.
    pub(super) fn settle(&self) -> Option<&'static str> {
        self.is_settled.swap(true, Ordering::Relaxed).then_some(self.what)
    }
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        let what = self.what;
        if !self.is_settled.swap(true, Ordering::Relaxed) && self.stopper.raise(Stage::Stopping) {
            warn!(target: "common::worker", "the {what} of a worker that runs was dropped: no longer fetching, requeueing prefetched messages, letting running ones finish");
        }
    }
}
