//! How long a message waits for a worker that has nothing else to do; beside a bare client that blocks in BRPOP, as many
//! queues do, and knows nothing of claims: what it takes is lost with it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::worker::Worker;

use crate::ground::{Setup, ask, broker, connection, namespace, sleep, wipe};
use crate::support::load::{Tally, answer, micros};
use crate::support::pick_up::{PAUSE, settle};
use crate::support::table::{self, Waits};
use crate::support::{self, Failed};

const MESSAGES: usize = 500;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let waits = pick_up(&setup.url, MESSAGES).await?;
    table::row("idle pick-up, ms: p50, p95, most", &waits.told());
    let name = namespace();
    let (sender, worker) = (broker(&setup.url, &name).await?, broker(&setup.url, &name).await?);
    let waits = results(&sender, &worker, MESSAGES).await?;
    table::row("a result to who waits for it, ms: p50, p95, most", &waits.told());
    wipe(&setup.url, &name)?;
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
        sleep(PAUSE).await;
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
    let waits = support::pick_up::pick_up(&broker(url, &namespace).await?, count).await?;
    wipe(url, &namespace)?;
    Ok(waits)
}

/// From the run of an actor to whoever waits for its result, at another broker, one message at a time.
async fn results(sender: &Broker, broker: &Broker, count: usize) -> Result<Waits, Failed> {
    let worker = Worker::new(broker.clone()).actors(actors![answer]);
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut waits = Vec::with_capacity(count);
    for _ in 0..count {
        settle(sender).await?;
        let ran: u64 = answer::send(sender).await?.result(PATIENCE).await?;
        waits.push(Duration::from_micros(micros().saturating_sub(ran)));
    }
    stopper.stop();
    run.await??;
    Waits::new(waits)
}
