//! How long a message waits for a worker that has nothing else to do, in this process and in another one.

use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::results::Stored;
use common::store::Counts;
use common::worker::Worker;

use crate::ground::{Child, Failed, Place, Setup, Tally, answer, micros, no_op};
use crate::table::{self, Waits};

const MESSAGES: usize = 300;

/// Between two messages, so that the worker has gone to sleep.
const PAUSE: Duration = Duration::from_millis(5);

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    table::row("idle pick-up in one process, ms: p50, p95, most", &here(setup).await?.told());
    table::row("idle pick-up by another process, ms: p50, p95, most", &there(setup).await?.told());
    Ok(())
}

async fn here(setup: &Setup) -> Result<Waits, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let tally = Tally::expecting(0);
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).state(tally.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut waits = Vec::with_capacity(MESSAGES);
    for number in 1..=MESSAGES {
        settle(&broker).await?;
        tally.expect(number);
        let watch = Stopwatch::start();
        no_op::send(&broker).await?;
        tally.done().await?;
        waits.push(watch.elapsed());
    }
    stopper.stop();
    run.await??;
    Waits::new(waits)
}

async fn there(setup: &Setup) -> Result<Waits, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let _child = Child::start(&place.url())?;
    let mut waits = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES {
        settle(&broker).await?;
        let sent = micros();
        let message = answer::send(&broker).await?;
        let Stored::Value(started) = broker.wait_for_result(&message, PATIENCE).await? else {
            return Err("the other process failed".into());
        };
        waits.push(Duration::from_micros(started.read::<u64>()?.saturating_sub(sent)));
    }
    Waits::new(waits)
}

/// Waits until the last message is acknowledged and the worker has nothing left to do.
async fn settle(broker: &Broker) -> Result<(), Failed> {
    while broker.counts(&QueueName::default()).await? != Counts::default() {}
    Clock::system().sleep(PAUSE).await;
    Ok(())
}
