//! What all measurements on Redis stand on.

use std::path::PathBuf;
use std::time::Duration;

use common::broker::Broker;
use common::clock::Clock;
use common::message::MessageId;
use common::queue_name::QueueName;
use common::store::{Completion, Delivery, Disposition, FetchRequest, Store as _};
use common::stores::redis::RedisStore;

use crate::support::Failed;

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

/// A namespace that nobody else uses, so that figures are not mixed up with anybody's data.
pub(crate) fn namespace() -> String {
    format!("bench-{}", MessageId::random().short())
}

pub(crate) async fn broker(url: &str, namespace: &str) -> Result<Broker, Failed> {
    Ok(Broker::builder().namespace(namespace).connect(url).await?)
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
    let requests = [FetchRequest { queue, count: 1_000, before: None }];
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
