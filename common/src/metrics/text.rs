//! The text that Prometheus reads.

use std::fmt::{self, Error};

use prometheus_client::collector::Collector;
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{BUCKETS, Histogram, Series, Snapshot};

/// The states of messages in a broker, in the order of their numbers.
const STATES: [&str; 4] = ["ready", "delayed", "running", "dead"];

/// A number of an actor: its name, what it is, and where it stands.
type Number = (&'static str, &'static str, fn(&Series) -> u64);

const COUNTERS: [Number; 4] = [
    ("dramatiq_messages", "Attempts that have ended, and messages that died without one", |series| series.messages),
    ("dramatiq_message_errors", "Those of them that failed", |series| series.errors),
    ("dramatiq_message_retries", "Those after which the message is to run again", |series| series.retries),
    ("dramatiq_message_rejects", "Those after which it is a dead letter", |series| series.rejects),
];

/// Durations of an actor: their name, what they are, and where they stand.
type Durations = (&'static str, &'static str, fn(&Series) -> &Histogram);

const HISTOGRAMS: [Durations; 2] = [
    ("dramatiq_message_duration_milliseconds", "How long attempts took", |series| &series.took),
    ("tasks_pickup_milliseconds", "How long messages could have run before they did", |series| &series.waited),
];

impl Snapshot {
    /// The text that Prometheus reads, of the type [`CONTENT_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }

    /// The labels and the numbers of each actor.
    fn all(&self) -> impl Iterator<Item = ([(&'static str, &str); 2], &Series)> {
        self.actors.iter().flat_map(|(queue, actors)| {
            actors.iter().map(move |(actor, series)| ([("queue_name", &**queue), ("actor_name", &**actor)], series))
        })
    }

    fn encode_queues(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = ("dramatiq_delayed_messages_inprogress", "What waits for its time in the broker");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (queue, counts) in &self.queues {
            metric.encode_family(&[("queue_name", &**queue)])?.encode_gauge(&counts[1])?;
        }
        let (name, help) = ("tasks_queue_messages", "How many messages are where in the broker");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (queue, counts) in &self.queues {
            for (state, count) in STATES.iter().zip(counts) {
                metric.encode_family(&[("queue_name", &**queue), ("state", state)])?.encode_gauge(count)?;
            }
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, help, number) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, series) in self.all() {
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&number(series), None)?;
            }
        }
        let (name, help) = ("dramatiq_messages_inprogress", "What runs now");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, series) in self.all() {
            metric.encode_family(&labels)?.encode_gauge(&series.in_progress)?;
        }
        for (name, help, durations) in HISTOGRAMS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (labels, series) in self.all() {
                let histogram = durations(series);
                // What lies above all bounds is in the count alone.
                let buckets: Vec<_> = BUCKETS.map(f64::from).into_iter().zip(histogram.counts).collect();
                let count = histogram.counts.iter().sum();
                metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(histogram.sum, count, &buckets, None)?;
            }
        }
        self.encode_queues(&mut encoder)?;
        let lost = "Messages that workers have lost to others, which took them to be dead";
        let dropped = "Ends that were not counted, because they came too fast";
        for (name, help, number) in
            [("tasks_lost_claims", lost, self.lost_claims), ("tasks_dropped_reports", dropped, self.dropped)]
        {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&number, None)?;
        }
        Ok(())
    }
}
