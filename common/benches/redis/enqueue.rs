//! Enqueueing: many at once, one after the other, and by many at the same time.

use std::sync::Arc;

use common::clock::{Clock, Stopwatch};
use common::store::Store as _;
use common::stores::redis::RedisStore;
use tokio::task::JoinSet;

use crate::ground::{Setup, ask, at_bare_client, broker, connection, full, namespace, wipe};
use crate::support::load::{messages_of, no_op, per_second};
use crate::support::{Failed, table};

/// How many tasks send at the same time, each waiting for one message after the other.
const SENDERS: [usize; 2] = [64, 256];

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let Setup { url, messages, .. } = setup;
    let ours = async || bulk(url, *messages).await;
    let theirs = async || bulk_bare(url, *messages).await;
    table::in_turn("enqueue by 1,000, messages/s", ours, "bare client", theirs).await?;

    let singles = messages.div_ceil(10);
    let ours = async || single(url, singles).await;
    let theirs = async || single_bare(url, singles).await;
    table::in_turn("enqueue one after the other, messages/s", ours, "bare client", theirs).await?;

    for senders in SENDERS {
        let each = messages.div_ceil(senders);
        let ours = async || concurrent(url, senders, each).await.map(|(rate, _)| rate);
        let theirs = async || concurrent_bare(url, senders, each).await;
        let what = format!("enqueue one after the other by {senders} tasks, messages/s");
        table::in_turn(&what, ours, "bare client", theirs).await?;
        let mut costs = Vec::new();
        for _ in 0..table::ROUNDS {
            costs.push(concurrent(url, senders, each).await?.1);
        }
        table::row("of it Redis's processor time, µs a message", &format!("{:.1}", table::median(costs)));
    }
    Ok(())
}

/// Processor time of the server so far, in microseconds.
fn server_time(url: &str) -> Result<f64, Failed> {
    let told: String = ask(&mut connection(url)?, &["INFO", "cpu"])?;
    let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).and_then(|time| time.parse().ok());
    let times: Option<[f64; 2]> = of("used_cpu_sys:").zip(of("used_cpu_user:")).map(Into::into);
    Ok(times.ok_or("a server that does not tell its time")?.iter().sum::<f64>() * 1_000_000.0)
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

/// Messages a second, and the server's microseconds a message.
async fn concurrent(url: &str, senders: usize, each: usize) -> Result<(f64, f64), Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let mut sending = JoinSet::new();
    let before = server_time(url)?;
    let watch = Stopwatch::start();
    for _ in 0..senders {
        let broker = broker.clone();
        sending.spawn(async move {
            for _ in 0..each {
                no_op::send(&broker).await?;
            }
            Ok::<(), Failed>(())
        });
    }
    for sent in sending.join_all().await {
        sent?;
    }
    let took = watch.elapsed();
    let sent = f64::from(u32::try_from(senders * each)?);
    let cost = (server_time(url)? - before) / sent;
    full(url, &namespace, senders * each).await?;
    wipe(url, &namespace)?;
    Ok((per_second(senders * each, took), cost))
}

async fn concurrent_bare(url: &str, senders: usize, each: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(senders * each, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = Arc::new(RedisStore::connect(&address, &name, Clock::system()).await?);
        let mut sending = JoinSet::new();
        let watch = Stopwatch::start();
        for share in messages.chunks(each) {
            let (store, share) = (store.clone(), share.to_vec());
            sending.spawn(async move {
                for message in share.chunks(1) {
                    store.enqueue(message).await?;
                }
                Ok::<(), Failed>(())
            });
        }
        for sent in sending.join_all().await {
            sent?;
        }
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, senders * each).await?;
    wipe(url, &namespace)?;
    Ok(per_second(senders * each, took))
}
