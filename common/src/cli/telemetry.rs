//! The port that numbers and health are read from: `worker --metrics ADDRESS`.
//!
//! ```text
//! one process     its Metrics and its Monitor ─────────────────────────► server.rs
//! several         each writes a line of numbers a second to its stdout ─► Sum ─► server.rs, in their supervisor
//! ```

mod server;
mod sum;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;

use self::server::{Health, bind, serve};
pub(super) use self::sum::Sum;
use super::child::COUNTED;
use super::{Failure, commands, output};
use crate::broker::{Broker, BrokerBuilder};
use crate::clock::Clock;
use crate::metrics::{Metrics, Snapshot};
use crate::worker::Monitor;

/// Of how many queues is told how many messages they hold.
const QUEUES: usize = 1_000;

/// How often a child tells its numbers.
const INTERVAL: Duration = Duration::from_secs(1);

/// The numbers of this process, and to whom it tells them.
#[derive(Debug)]
pub(super) struct Telemetry {
    metrics: Metrics,
    address: Option<SocketAddr>,
    /// Whether a supervisor adds them up.
    is_part: bool,
    /// Whether another process may still have the port, and leaves it soon.
    is_replaced: bool,
}

impl Telemetry {
    /// What was asked for.
    pub(super) fn of(given: &ArgMatches) -> Self {
        Self {
            metrics: Metrics::default(),
            address: given.get_one(commands::METRICS).copied(),
            is_part: given.get_one::<u16>(commands::PROCESS).is_some(),
            is_replaced: given.get_flag(commands::SUPERVISED),
        }
    }

    /// Lets the runs of a broker's workers be counted, where that matters.
    pub(super) fn count(&self, broker: BrokerBuilder) -> BrokerBuilder {
        if self.address.is_some() { broker.observer(self.metrics.clone()) } else { broker }
    }

    /// Tells the numbers of a worker from now on.
    pub(super) async fn start(&self, broker: &Broker, monitor: &Monitor) -> Result<(), Failure> {
        let Some(address) = self.address else { return Ok(()) };
        if self.is_part {
            let (metrics, monitor, clock) = (self.metrics.clone(), monitor.clone(), Clock::system());
            tokio::spawn(async move {
                loop {
                    clock.sleep(INTERVAL).await;
                    tell(&metrics, &monitor);
                }
            });
            return Ok(());
        }
        let health =
            Arc::new(OfWorker { metrics: self.metrics.clone(), monitor: monitor.clone(), broker: broker.clone() });
        let listener = bind(address, self.is_replaced).await?;
        tokio::spawn(serve(listener, health));
        Ok(())
    }

    /// Tells them once more, at the end.
    pub(super) fn end(&self, monitor: &Monitor) {
        if self.is_part && self.address.is_some() {
            tell(&self.metrics, monitor);
        }
    }
}

/// Tells a supervisor the numbers of this process.
fn tell(metrics: &Metrics, monitor: &Monitor) {
    let snapshot = metrics.snapshot().with_worker(monitor);
    if let Ok(json) = serde_json::to_string(&snapshot) {
        output::pass_on(&[COUNTED, json.as_bytes(), b"\n"].concat());
    }
}

/// The numbers and the health of the worker of this process.
struct OfWorker {
    metrics: Metrics,
    monitor: Monitor,
    broker: Broker,
}

impl Health for OfWorker {
    fn is_live(&self) -> bool {
        self.monitor.is_beating()
    }

    fn is_ready(&self) -> bool {
        self.monitor.is_fetching()
    }

    async fn snapshot(&self) -> Snapshot {
        with_queues(self.metrics.snapshot().with_worker(&self.monitor), Some(&self.broker)).await
    }
}

/// The numbers with those of the broker, if it answers.
async fn with_queues(snapshot: Snapshot, broker: Option<&Broker>) -> Snapshot {
    let Some(broker) = broker else { return snapshot };
    match broker.queues(None, QUEUES).await {
        Ok(queues) => snapshot.with_queues(&queues),
        Err(error) => {
            tracing::debug!(target: "common::metrics", "how many messages are where is unknown: {error}");
            snapshot
        }
    }
}
