//! How long a message waits for a worker that has nothing else to do; beside a bare client that blocks in BRPOP, as many
//! queues do, and knows nothing of claims: what it takes is lost with it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::actor::actors;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::Worker;

use crate::ground::{Failed, Setup, Tally, ask, broker, connection, empty, namespace, no_op, sleep, wipe};
use crate::table::{self, Waits};

const MESSAGES: usize = 500;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let waits = pick_up(&setup.url, MESSAGES).await?;
    table::row("idle pick-up, ms: p50, p95, most", &waits.told());
    let ours = async || pick_up(&setup.url, MESSAGES).await.map(|waits| waits.at(50) * 1_000.0);
    let theirs = async || bare(&setup.url, MESSAGES).await.map(|waits| waits.at(50) * 1_000.0);
    table::in_turn("idle pick-up, µs at the median", ours, "bare BRPOP", theirs).await
}

/// The same with one command to send and one to wait.
async fn bare(url: &str, count: usize) -> Result<Waits, Failed> {
    let key = format!("{}:list", namespace());
    let tally = Tally::expecting(0);
    let taking = {
        let (mut taker, key, tally) = (connection(url)?, key.clone(), Arc::clone(&tally));
        thread::spawn(move || -> Result<(), Failed> {
            for _ in 0..count {
                ask::<(String, Vec<u8>)>(&mut taker, &["BRPOP", &key, "0"])?;
                tally.add();
            }
            Ok(())
        })
    };
    let mut sender = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let body = "x".repeat(200);
    let mut waits = Vec::with_capacity(count);
    for number in 1..=count {
        sleep(Duration::from_millis(5)).await;
        tally.expect(number);
        let watch = Stopwatch::start();
        redis::cmd("LPUSH").arg(&key).arg(&body).query_async::<i64>(&mut sender).await?;
        tally.done().await?;
        waits.push(watch.elapsed());
    }
    taking.join().map_err(|_| "the taker panicked")??;
    Waits::new(waits)
}

/// From just before a send to the start of its actor, one message at a time.
pub(crate) async fn pick_up(url: &str, count: usize) -> Result<Waits, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let tally = Tally::expecting(0);
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).state(tally.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut waits = Vec::with_capacity(count);
    for number in 1..=count {
        // The worker has to be idle: its last message acknowledged, and nothing left to do but wait.
        while broker.counts(&QueueName::default()).await? != Counts::default() {}
        sleep(Duration::from_millis(5)).await;
        tally.expect(number);
        let watch = Stopwatch::start();
        no_op::send(&broker).await?;
        tally.done().await?;
        waits.push(watch.elapsed());
    }
    stopper.stop();
    run.await??;
    empty(&broker, &QueueName::default()).await?;
    wipe(url, &namespace)?;
    Waits::new(waits)
}
