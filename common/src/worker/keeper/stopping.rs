//! The worker's end: nothing more is fetched, everything is given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::{Call, Keeper};
use crate::clock::Clock;
use crate::worker::Stopped;
use crate::worker::event::Event;
use crate::worker::pool::Pool;
use crate::worker::stop::{Stage, Stopper};

/// How long the last calls may take once nothing runs any more, and signing off after them.
const LAST_CALLS: Duration = Duration::from_millis(900);

impl Keeper {
    pub(super) fn stop(&mut self, stage: Stage) {
        if stage <= self.stage {
            return;
        }
        self.stage = stage;
        self.stop_waiting();
        self.pool.close();
        self.give_back_suspect();
        if stage == Stage::Forced {
            if self.pool.abandon() > 0 {
                self.end = Stopped::Forced;
            }
            return;
        }
        let running = self.pool.busy();
        if running > 0 {
            info!(target: "common::worker", "stopping: waiting for what runs ({running})");
        }
        let (clock, pool, timeout) = (self.broker.clock().clone(), self.pool.clone(), self.shutdown_timeout);
        tokio::spawn(async move {
            clock.sleep(timeout).await;
            pool.tell(Event::TimedOut);
        });
    }

    /// Once nothing runs any more, the last calls get a moment: a store that does not answer must not hold up the exit.
    pub(super) fn limit_last_calls(&mut self) {
        if self.stage == Stage::Running || self.is_hurrying || self.is_running() {
            return;
        }
        self.is_hurrying = true;
        let pool = self.pool.clone();
        tokio::spawn(async move {
            // Real time, whatever the broker's clock says: somebody waits for this process to end.
            Clock::system().sleep(LAST_CALLS).await;
            pool.tell(Event::GiveUp);
        });
    }

    /// Whether anything runs that is waited for.
    fn is_running(&self) -> bool {
        // A run that has lost its claim may still clean up, until nobody wants to wait any more.
        let waits_for_all = self.stage < Stage::Forced;
        if waits_for_all { self.pool.busy() > 0 } else { self.pool.running() > 0 }
    }

    /// Whether all is given back and stored, or cannot be.
    pub(super) fn is_over(&mut self) -> bool {
        if self.stage == Stage::Running || self.is_running() {
            return false;
        }
        let is_calling = self.fetching || self.finishing;
        let is_left =
            self.finishing || !self.unfinished.is_empty() || !self.refused.is_empty() || !self.pool.is_quiet();
        if !is_calling && !is_left {
            return true;
        }
        // What is left comes back to others as soon as the store does.
        let is_refused = !self.refused.is_empty() && self.unfinished.is_empty() && self.pool.is_quiet();
        self.gave_up |= !is_calling && (is_refused || self.outage.is_pausing(Call::Finish));
        if self.gave_up && is_left {
            self.end = Stopped::Unreachable;
        }
        self.gave_up
    }

    /// Signs off. If the store is away, others find this worker dead, and get back what it held.
    pub(super) async fn leave(&self) {
        let problem = if self.gave_up || self.outage.is_on() {
            "the broker does not answer".to_owned()
        } else {
            let (store, lease) = (self.broker.store().clone(), self.lease.clone());
            let leaving = tokio::spawn(async move { store.leave(&lease).await });
            match timeout(LAST_CALLS, leaving).await {
                Ok(Ok(Ok(()))) => return,
                Ok(Ok(Err(error))) => error.to_string(),
                Ok(Err(panic)) => panic.to_string(),
                Err(_) => format!("no answer within {LAST_CALLS:?}"),
            }
        };
        warn!(target: "common::worker", "could not sign off: {problem}");
    }
}

/// Tells the loop how far the worker's end has come.
pub(super) async fn listen(stopper: Stopper, pool: Arc<Pool>) {
    let mut stage = Stage::Running;
    while stage < Stage::Forced {
        stage = stopper.beyond(stage).await;
        pool.tell(Event::Stop(stage));
    }
}
