//! Enqueueing: many at once, one after the other, and by many at the same time.

use std::sync::Arc;

use common::clock::{Clock, Stopwatch};
use common::store::Store as _;
use common::stores::redis::RedisStore;
use tokio::task::JoinSet;

use crate::ground::{Failed, Setup, at_bare_client, broker, full, messages_of, namespace, no_op, per_second, wipe};
use crate::table;

/// Tasks that send at the same time, each waiting for one message after the other.
const SENDERS: usize = 256;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let Setup { url, messages, .. } = setup;
    let ours = async || bulk(url, *messages).await;
    let theirs = async || bulk_bare(url, *messages).await;
    table::in_turn("enqueue by 1,000, messages/s", ours, "bare client", theirs).await?;

    let singles = messages.div_ceil(10);
    let ours = async || single(url, singles).await;
    let theirs = async || single_bare(url, singles).await;
    table::in_turn("enqueue one after the other, messages/s", ours, "bare client", theirs).await?;

    let each = messages.div_ceil(SENDERS);
    let ours = async || concurrent(url, each).await;
    let theirs = async || concurrent_bare(url, each).await;
    let what = format!("enqueue one after the other by {SENDERS} tasks, messages/s");
    table::in_turn(&what, ours, "bare client", theirs).await
}

async fn bulk(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let messages = messages_of(count, broker.clock())?;
    let watch = Stopwatch::start();
    broker.enqueue(messages).await?;
    let took = watch.elapsed();
    full(url, &namespace, count).await?;
    wipe(url, &namespace)?;
    Ok(per_second(count, took))
}

async fn bulk_bare(url: &str, count: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(count, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&address, &name, Clock::system()).await?;
        let watch = Stopwatch::start();
        store.enqueue(&messages).await?;
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, count).await?;
    wipe(url, &namespace)?;
    Ok(per_second(count, took))
}

pub(crate) async fn single(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let watch = Stopwatch::start();
    for _ in 0..count {
        no_op::send(&broker).await?;
    }
    let took = watch.elapsed();
    full(url, &namespace, count).await?;
    wipe(url, &namespace)?;
    Ok(per_second(count, took))
}

async fn single_bare(url: &str, count: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(count, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&address, &name, Clock::system()).await?;
        let watch = Stopwatch::start();
        for message in messages.chunks(1) {
            store.enqueue(message).await?;
        }
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, count).await?;
    wipe(url, &namespace)?;
    Ok(per_second(count, took))
}

async fn concurrent(url: &str, each: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let mut senders = JoinSet::new();
    let watch = Stopwatch::start();
    for _ in 0..SENDERS {
        let broker = broker.clone();
        senders.spawn(async move {
            for _ in 0..each {
                no_op::send(&broker).await?;
            }
            Ok::<(), Failed>(())
        });
    }
    for sent in senders.join_all().await {
        sent?;
    }
    let took = watch.elapsed();
    full(url, &namespace, SENDERS * each).await?;
    wipe(url, &namespace)?;
    Ok(per_second(SENDERS * each, took))
}

async fn concurrent_bare(url: &str, each: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(SENDERS * each, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = Arc::new(RedisStore::connect(&address, &name, Clock::system()).await?);
        let mut senders = JoinSet::new();
        let watch = Stopwatch::start();
        for share in messages.chunks(each) {
            let (store, share) = (store.clone(), share.to_vec());
            senders.spawn(async move {
                for message in share.chunks(1) {
                    store.enqueue(message).await?;
                }
                Ok::<(), Failed>(())
            });
        }
        for sent in senders.join_all().await {
            sent?;
        }
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, SENDERS * each).await?;
    wipe(url, &namespace)?;
    Ok(per_second(SENDERS * each, took))
}
