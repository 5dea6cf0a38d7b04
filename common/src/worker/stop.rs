//! How a worker is told to end.

use tokio::sync::watch;

/// How far a worker's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// Fetch nothing more, give back what has not started, wait for what runs.
    Stopping,
    /// Give back everything, wait for nothing.
    Forced,
}

/// Stops a worker; clones stop the same one.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Stage>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stage::Running))
    }

    /// Lets the worker end: it fetches nothing more, gives back what has not started, and waits for what runs, as long as
    /// its shutdown timeout lets it.
    pub fn stop(&self) {
        self.raise(Stage::Stopping);
    }

    /// Ends the worker at once: what still runs is given back, and will run again.
    pub fn stop_now(&self) {
        self.raise(Stage::Forced);
    }

    /// Waits until the stage is beyond `stage`, and returns it. Cancel safe.
    pub(super) async fn beyond(&self, stage: Stage) -> Stage {
        let mut stages = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close under us.
        stages.wait_for(|now| *now > stage).await.map_or(Stage::Forced, |now| *now)
    }

    fn raise(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let raised = *stage < to;
            *stage = to.max(*stage);
            raised
        });
    }
}
