//! How long a message waits for a worker that has nothing else to do; beside a bare client that blocks in BRPOP, as many
//! queues do, and knows nothing of claims: what it takes is lost with it.

use std::sync::Arc;
use std::thread;

use common::clock::Stopwatch;

use crate::ground::{Setup, ask, broker, connection, namespace, sleep, wipe};
use crate::support::load::Tally;
use crate::support::pick_up::PAUSE;
use crate::support::table::{self, Waits};
use crate::support::{self, Failed};

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
