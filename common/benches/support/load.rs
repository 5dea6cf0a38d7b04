//! Messages that do nothing, and who counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::actor;
use common::broker::Broker;
use common::clock::Clock;
use common::message::Message;
use common::queue_name::QueueName;
use common::store::Counts;
use tokio::sync::Notify;

use super::Failed;

/// Longer than anything here takes: what is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the actor reports to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    executed: AtomicU64,
    /// How many are expected in this round.
    expected: AtomicU64,
    done: Notify,
}

impl Tally {
    pub(crate) fn expecting(count: usize) -> Arc<Self> {
        let tally = Self::default();
        tally.expect(count);
        Arc::new(tally)
    }

    /// Expects so many in all.
    pub(crate) fn expect(&self, count: usize) {
        self.expected.store(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn add(&self) {
        if self.executed.fetch_add(1, Ordering::Relaxed) + 1 == self.expected.load(Ordering::Relaxed) {
            self.done.notify_one();
        }
    }

    pub(crate) fn executed(&self) -> u64 {
        self.executed.load(Ordering::Relaxed)
    }

    /// Waits for the last one that is expected.
    pub(crate) async fn done(&self) -> Result<(), Failed> {
        // Whether it came is seen by the numbers.
        let _ = tokio::time::timeout(PATIENCE, self.done.notified()).await;
        self.check()
    }

    /// Checks that as many were executed as are expected.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        let (executed, expected) = (self.executed(), self.expected.load(Ordering::Relaxed));
        if executed == expected {
            Ok(())
        } else {
            Err(format!("{executed} of {expected} messages were executed").into())
        }
    }
}

/// The same actor in Python is in `redis/actors.py`.
#[actor]
pub(crate) fn no_op(tally: &Arc<Tally>) {
    tally.add();
}

pub(crate) fn messages_of(count: usize, clock: &Clock) -> Result<Vec<Message>, Failed> {
    (0..count).map(|_| no_op::message().message(clock.now()).map_err(Failed::from)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages lie far below 2^52")]
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Checks that everything was acknowledged.
pub(crate) async fn empty(broker: &Broker, queue: &QueueName) -> Result<(), Failed> {
    let counts = broker.counts(queue).await?;
    if counts == Counts::default() {
        Ok(())
    } else {
        Err(format!("not everything was acknowledged: {counts:?}").into())
    }
}

/// Returns when it was started: microseconds since the epoch, by the clock that all processes of a machine share.
#[actor(store_results = true)]
pub(crate) fn answer() -> u64 {
    micros()
}

#[expect(clippy::disallowed_methods, reason = "two processes are compared, by the machine's clock")]
pub(crate) fn micros() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
