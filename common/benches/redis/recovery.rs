//! How long it takes until a message of a killed worker runs on another one.

use std::sync::Arc;
use std::time::Duration;

use common::actor::actors;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use common::worker::Worker;
use tokio::sync::Notify;
use tokio::task::{JoinSet, block_in_place};

use crate::child::{HOLDING, Hand, hold};
use crate::ground::{Setup, broker, namespace, sleep, wipe};
use crate::support::Failed;
use crate::support::child::Child;
use crate::support::load::{Tally, empty, no_op};
use crate::support::table::{self, Waits};

/// How many are killed unless it is said otherwise.
const KILLS: usize = 10;

/// How many are killed side by side, each in a namespace of its own: they do nothing but wait.
const AT_ONCE: usize = 5;

/// The other worker has seen the first one alive for so long at least, and for as long again at most.
const SIDE_BY_SIDE: Duration = Duration::from_secs(2);

/// Later than this it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

fn kills_of(setup: &Setup) -> usize {
    setup.kills.unwrap_or(KILLS)
}

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let (mut kills, mut waits, mut left) = (JoinSet::new(), Vec::new(), kills_of(setup));
    while left > 0 || !kills.is_empty() {
        while left > 0 && kills.len() < AT_ONCE {
            kills.spawn(recovery(setup.url.clone()));
            left -= 1;
        }
        if let Some(killed) = kills.join_next().await {
            waits.push(killed??);
        }
    }
    table::row(&format!("recovery over {} kills, ms: p50, p95, most", kills_of(setup)), &Waits::new(waits)?.told());
    Ok(())
}

/// From the kill to the start of the actor on the other worker.
async fn recovery(url: String) -> Result<Duration, Failed> {
    let namespace = namespace();
    let broker = broker(&url, &namespace).await?;
    let mut child = block_in_place(|| Child::start(&[&url, &namespace]))?;
    hold::send(&broker).await?;
    block_in_place(|| child.says(HOLDING))?;

    let taken = Arc::new(Notify::new());
    let told = taken.clone();
    let hand: Hand = Box::new(move || told.notify_one());
    let worker = Worker::new(broker.clone()).actors(actors![no_op, hold]).state(Tally::expecting(0)).state(hand);
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    // At any moment between two beats.
    sleep(SIDE_BY_SIDE.mul_f64(1.0 + fastrand::f64())).await;
    block_in_place(|| child.kill())?;
    let watch = Stopwatch::start();
    let is_taken = tokio::time::timeout(PATIENCE, taken.notified()).await;
    let took = watch.elapsed();
    is_taken.map_err(|_| "a message of a killed worker never ran")?;
    stopper.stop();
    run.await??;
    empty(&broker, &QueueName::default()).await?;
    block_in_place(|| wipe(&url, &namespace))?;
    Ok(took)
}
