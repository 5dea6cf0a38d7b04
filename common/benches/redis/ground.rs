//! What all measurements stand on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::actor;
use common::broker::Broker;
use common::clock::Clock;
use common::message::{Message, MessageId};
use common::queue_name::QueueName;
use common::store::{Completion, Counts, Delivery, Disposition, FetchRequest, Store as _};
use common::stores::redis::RedisStore;
use tokio::sync::Notify;

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Longer than anything here takes: what is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured where.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) url: String,
    /// A virtual environment with dramatiq.
    pub(crate) python: Option<PathBuf>,
    /// A round's messages.
    pub(crate) messages: usize,
    /// How many workers are killed, where it is said.
    pub(crate) kills: Option<usize>,
    /// How large a fleet is.
    pub(crate) workers: usize,
}

/// What the actors report to.
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
        let expected = || self.expected.load(Ordering::Relaxed);
        match tokio::time::timeout(PATIENCE, self.done.notified()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(format!("{} of {} messages were executed", self.executed(), expected()).into()),
        }
    }
}

/// The same actor in Python is in `actors.py`.
#[actor]
pub(crate) fn no_op(tally: &Arc<Tally>) {
    tally.add();
}

/// A namespace that nobody else uses, so that figures are not mixed up with anybody's data.
pub(crate) fn namespace() -> String {
    format!("bench-{}", MessageId::random().short())
}

pub(crate) async fn broker(url: &str, namespace: &str) -> Result<Broker, Failed> {
    Ok(Broker::builder().namespace(namespace).connect(url).await?)
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

/// Acknowledgements.
pub(crate) fn gone(deliveries: Vec<Delivery>) -> Vec<Completion> {
    let gone =
        |delivery: Delivery| Completion { claim: delivery.claim, disposition: Disposition::Ack, effects: Vec::new() };
    deliveries.into_iter().map(gone).collect()
}

/// Runs `work` as a bare client does: on a thread of its own, with a runtime of one thread.
pub(crate) async fn at_bare_client<F, W>(work: W) -> Result<Duration, Failed>
where
    F: Future<Output = Result<Duration, Failed>>,
    W: FnOnce() -> F + Send + 'static,
{
    let run = move || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work());
    tokio::task::spawn_blocking(run).await?
}

/// Checks that all messages are there, and takes them away again.
pub(crate) async fn full(url: &str, namespace: &str, count: usize) -> Result<(), Failed> {
    let store = RedisStore::connect(url, namespace, Clock::system()).await?;
    let queue = QueueName::default();
    let registration = store.register(std::slice::from_ref(&queue)).await?;
    let requests = [FetchRequest { queue, count: 1_000 }];
    let mut found = 0;
    loop {
        let deliveries = store.fetch(&registration, &requests, usize::MAX).await?.deliveries;
        if deliveries.is_empty() {
            break;
        }
        found += deliveries.len();
        store.finish(&registration, &gone(deliveries)).await?;
    }
    store.deregister(&registration).await?;
    if found == count { Ok(()) } else { Err(format!("{found} of {count} messages were stored").into()) }
}

/// Asks Redis directly, on this thread.
pub(crate) fn ask<T: redis::FromRedisValue>(connection: &mut redis::Connection, command: &[&str]) -> Result<T, Failed> {
    let mut asked = redis::Cmd::new();
    for word in command {
        asked.arg(*word);
    }
    Ok(asked.query(connection)?)
}

pub(crate) fn connection(url: &str) -> Result<redis::Connection, Failed> {
    Ok(redis::Client::open(url)?.get_connection()?)
}

/// Takes away what is left of a namespace.
pub(crate) fn wipe(url: &str, namespace: &str) -> Result<(), Failed> {
    let mut connection = connection(url)?;
    let pattern = format!("{namespace}:*");
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys): (String, Vec<String>) =
            ask(&mut connection, &["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"])?;
        for key in keys {
            ask::<i64>(&mut connection, &["UNLINK", &key])?;
        }
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
}

/// Real time.
pub(crate) async fn sleep(duration: Duration) {
    Clock::system().sleep(duration).await;
}
