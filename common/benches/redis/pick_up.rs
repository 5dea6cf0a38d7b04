//! How long a message waits for a worker that has nothing else to do.

use std::time::Duration;

use common::actor::actors;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::Worker;

use crate::ground::{Failed, Setup, Tally, broker, empty, namespace, no_op, sleep, wipe};
use crate::table::{self, Waits};

const MESSAGES: usize = 500;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let waits = pick_up(&setup.url, MESSAGES).await?;
    table::row("idle pick-up, ms: p50, p95, most", &waits.told());
    Ok(())
}

/// From just before a send to the start of its actor, one message at a time.
pub(crate) async fn pick_up(url: &str, count: usize) -> Result<Waits, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let tally = Tally::expecting(0);
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).lend(tally.clone());
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
