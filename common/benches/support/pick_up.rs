//! How long a message waits for a worker that has nothing else to do.

use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::Worker;

use super::Failed;
use super::load::{Tally, empty, no_op};
use super::table::Waits;

/// Between two messages, so that the worker has gone to sleep.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// From just before a send to the start of its actor, one message at a time.
pub(crate) async fn pick_up(broker: &Broker, count: usize) -> Result<Waits, Failed> {
    let tally = Tally::expecting(0);
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).state(tally.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut waits = Vec::with_capacity(count);
    for number in 1..=count {
        settle(broker).await?;
        tally.expect(number);
        let watch = Stopwatch::start();
        no_op::send(broker).await?;
        tally.done().await?;
        waits.push(watch.elapsed());
    }
    stopper.stop();
    run.await??;
    empty(broker, &QueueName::default()).await?;
    Waits::new(waits)
}

/// Waits until the last message is acknowledged and the worker has nothing left to do.
pub(crate) async fn settle(broker: &Broker) -> Result<(), Failed> {
    while broker.counts(&QueueName::default()).await? != Counts::default() {}
    Clock::system().sleep(PAUSE).await;
    Ok(())
}
