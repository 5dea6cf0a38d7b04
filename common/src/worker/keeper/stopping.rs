//! The worker's end: nothing more is fetched, everything is given back.

use std::sync::Arc;

use tracing::{info, warn};

use super::Keeper;
use crate::queue_name::QueueName;
use crate::worker::event::Event;
use crate::worker::pool::Pool;
use crate::worker::stop::{Stage, Stopper};

impl Keeper {
    pub(super) fn stop(&mut self, stage: Stage) {
        if stage <= self.stage {
            return;
        }
        self.stage = stage;
        self.stop_waiting();
        self.pool.close();
        if stage == Stage::Forced {
            let abandoned = self.pool.abandon();
            self.forced = abandoned > 0;
            return;
        }
        let running = self.pool.running();
        if running > 0 {
            info!(target: "common::worker", "stopping: waiting for {running} that still run");
        }
        let (clock, pool, timeout) = (self.broker.clock().clone(), self.pool.clone(), self.shutdown_timeout);
        tokio::spawn(async move {
            clock.sleep(timeout).await;
            pool.tell(Event::TimedOut);
        });
    }

    /// Whether all is given back and stored, or cannot be.
    pub(super) fn is_over(&mut self) -> bool {
        if self.stage == Stage::Running || self.fetching || self.finishing {
            return false;
        }
        if self.pool.is_quiet() && self.unfinished.is_empty() {
            return true;
        }
        // While the store is away nothing can be given back. What is held comes back to others as soon as it returns.
        let stuck = self.outage.is_pausing() && self.pool.running() == 0;
        self.forced |= stuck;
        stuck
    }

    pub(super) async fn leave(&self) {
        if let Err(error) = self.broker.store().leave(&self.lease).await {
            let queues: Vec<_> = self.lease.queues.iter().map(QueueName::as_str).collect();
            warn!(target: "common::worker", "could not sign off from {}: {error}", queues.join(", "));
        }
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
