//! Numbers for Prometheus, under dramatiq's names and with more beside.
//!
//! ```
//! use common::Broker;
//! use common::metrics::Metrics;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), common::error::ConnectError> {
//! let metrics = Metrics::default();
//! let broker = Broker::builder().observer(metrics.clone()).connect("memory:").await?;
//! // Workers on this broker are counted from now on; an HTTP server of the program's own answers a scrape with this.
//! assert!(metrics.snapshot().text().starts_with("# HELP"));
//! # Ok(())
//! # }
//! ```
//!
//! | metric | labels | what it is |
//! | --- | --- | --- |
//! | `dramatiq_messages_total` | queue, actor | attempts that have ended, and messages that died without one |
//! | `dramatiq_message_errors_total` | queue, actor | those of them that failed |
//! | `dramatiq_message_retries_total` | queue, actor | those after which the message is to run again, each once |
//! | `dramatiq_message_rejects_total` | queue, actor | those after which it is a dead letter |
//! | `dramatiq_messages_inprogress` | queue, actor | what runs now |
//! | `dramatiq_message_duration_milliseconds` | queue, actor | how long attempts took: dramatiq's buckets |
//! | `dramatiq_delayed_messages_inprogress` | queue | what waits for its time in the broker |
//! | `tasks_pickup_milliseconds` | queue, actor | how long messages could have run before they did |
//! | `tasks_queue_messages` | queue, state | how many messages are `ready`, `delayed`, `running` or `dead` in the broker |
//! | `tasks_lost_claims_total` | | messages that a worker has lost to others, which took it to be dead |
//! | `tasks_dropped_reports_total` | | ends that were not counted, because they came faster than they could be |
//!
//! The labels are `queue_name`, `actor_name` and `state`. What is put off, by a limit or a stop, is no attempt. A run whose claim was lost
//! is counted where it was run again.
//!
//! # Source
//!
//! dramatiq 2.2, the middleware `Prometheus`: names, labels, buckets. Where its numbers drift (a gauge below zero, a retry counted twice,
//! a label that a queue never has), these are what they say.

mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::text::CONTENT_TYPE;
use crate::observe::{Observer, Report, Settled};
use crate::outcome::Outcome;
use crate::store::QueueInfo;
use crate::worker::Monitor;

/// The upper bounds of the buckets of durations, in milliseconds.
pub const BUCKETS: [u32; 18] =
    [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 30_000, 60_000, 600_000, 900_000];

/// Counts what becomes of messages: an [`Observer`], of which clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Snapshot>>);

/// What was counted up to a moment.
///
/// Several may be [added up](Snapshot::add): those of several processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    actors: BTreeMap<String, BTreeMap<String, Series>>,
    queues: BTreeMap<String, [usize; 4]>,
    lost_claims: u64,
    dropped: u64,
}

/// The numbers of an actor on a queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Series {
    messages: u64,
    errors: u64,
    retries: u64,
    rejects: u64,
    in_progress: u64,
    took: Histogram,
    waited: Histogram,
}

/// How many durations lie in which bucket; the last one has no upper bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Histogram {
    sum: f64,
    counts: [u64; BUCKETS.len() + 1],
}

impl Metrics {
    /// What was counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Metrics {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn wants_messages(&self) -> bool {
        false
    }

    fn observe(&self, report: &Report) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(report);
    }

    fn dropped(&self, reports: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).dropped += reports;
    }
}

impl Snapshot {
    fn count(&mut self, report: &Report) {
        if report.settled == Settled::ClaimLost {
            return;
        }
        let series = self.series(report.queue.as_str(), report.actor.map_or("", |actor| actor.name));
        series.messages += 1;
        series.errors += u64::from(!matches!(report.outcome, Outcome::Value(_) | Outcome::Skipped));
        match &report.settled {
            Settled::Waits(_) => series.retries += 1,
            Settled::Dead(_) => series.rejects += 1,
            Settled::Done | Settled::Requeued | Settled::ClaimLost => {}
        }
        if report.slot.is_some() {
            series.took.count(report.took);
        }
        if let Some(waited) = report.waited {
            series.waited.count(waited);
        }
    }

    fn series(&mut self, queue: &str, actor: &str) -> &mut Series {
        // Names are looked up far more often than they are new.
        if !self.actors.contains_key(queue) {
            self.actors.insert(queue.to_owned(), BTreeMap::new());
        }
        let actors = self.actors.get_mut(queue).expect("it was just inserted");
        if !actors.contains_key(actor) {
            actors.insert(actor.to_owned(), Series::default());
        }
        actors.get_mut(actor).expect("it was just inserted")
    }

    /// Takes in what a worker runs at the moment, and what it has lost.
    #[must_use]
    pub fn with_worker(mut self, monitor: &Monitor) -> Self {
        for run in monitor.running() {
            self.series(run.queue.as_str(), run.actor).in_progress += 1;
        }
        self.lost_claims += monitor.lost_claims();
        self
    }

    /// Takes in how many messages are where in a broker, as [`Broker::queues`](crate::Broker::queues) tells.
    #[must_use]
    pub fn with_queues(mut self, queues: &[QueueInfo]) -> Self {
        for queue in queues {
            let counts = queue.counts;
            self.queues
                .insert(queue.name.as_str().to_owned(), [counts.ready, counts.delayed, counts.claimed, counts.dead]);
        }
        self
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (queue, actors) in &other.actors {
            for (actor, theirs) in actors {
                self.series(queue, actor).add(theirs);
            }
        }
        // Whoever has looked last knows best.
        self.queues.extend(other.queues.clone());
        self.lost_claims += other.lost_claims;
        self.dropped += other.dropped;
    }

    /// The same of a process that has ended: nothing runs any more.
    #[must_use]
    pub fn ended(mut self) -> Self {
        self.actors.values_mut().flat_map(BTreeMap::values_mut).for_each(|series| series.in_progress = 0);
        self
    }
}

impl Series {
    fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.errors += other.errors;
        self.retries += other.retries;
        self.rejects += other.rejects;
        self.in_progress += other.in_progress;
        self.took.add(&other.took);
        self.waited.add(&other.waited);
    }
}

impl Histogram {
    fn count(&mut self, duration: Duration) {
        let millis = duration.as_secs_f64() * 1_000.0;
        self.sum += millis;
        self.counts[BUCKETS.partition_point(|bound| f64::from(*bound) < millis)] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        for (ours, theirs) in self.counts.iter_mut().zip(other.counts) {
            *ours += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for millis in [0, 5, 6, 900_000, 900_001] {
            histogram.count(Duration::from_millis(millis));
        }
        assert_eq!(histogram.counts[..2], [2, 1]);
        assert_eq!(histogram.counts[17..], [1, 1]);
        assert!((histogram.sum - 1_800_012.0).abs() < 1e-6);
    }

    #[test]
    fn what_has_ended_runs_nothing_any_more_and_counts_all_the_same() {
        let mut first = Snapshot::default();
        let series = first.series("default", "add");
        (series.messages, series.in_progress) = (3, 2);
        let mut sum = first.clone().ended();
        sum.add(&first);
        let series = sum.series("default", "add");
        assert_eq!((series.messages, series.in_progress), (6, 2));
        let read: Snapshot = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        assert_eq!(read, first);
    }
}
