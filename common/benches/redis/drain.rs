//! Draining a queue of messages that do nothing.

use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::{FetchRequest, Finished, Store as _};
use common::stores::redis::RedisStore;

use crate::ground::{Setup, at_bare_client, broker, gone, namespace, wipe};
use crate::support::load::{empty, messages_of, per_second};
use crate::support::{self, Failed, table};

/// How many the bare client fetches and finishes at once: as many as a worker has waiting at most.
const BATCH: usize = 256;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let Setup { url, messages, .. } = setup;
    let ours = async || drain(url, *messages).await;
    table::in_turn("drain, messages/s", ours, "bare client", async || bare(url, *messages).await).await
}

/// From the worker's start to its end.
pub(crate) async fn drain(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let rate = support::drain::drain(&broker(url, &namespace).await?, count).await?;
    wipe(url, &namespace)?;
    Ok(rate)
}

async fn bare(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    broker.enqueue(messages_of(count, broker.clock())?).await?;
    let (address, name) = (url.to_owned(), namespace.clone());
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&address, &name, Clock::system()).await?;
        let queue = QueueName::default();
        let watch = Stopwatch::start();
        let registration = store.register(std::slice::from_ref(&queue)).await?;
        let requests = [FetchRequest { queue, count: BATCH, before: None }];
        let mut done = 0;
        while done < count {
            let deliveries = store.fetch(&registration, &requests, usize::MAX).await?.deliveries;
            let answers = store.finish(&registration, &gone(deliveries)).await?;
            done += answers.iter().filter(|answer| **answer == Finished::Done).count();
        }
        let took = watch.elapsed();
        store.deregister(&registration).await?;
        Ok(took)
    })
    .await?;
    empty(&broker, &QueueName::default()).await?;
    wipe(url, &namespace)?;
    Ok(per_second(count, took))
}
