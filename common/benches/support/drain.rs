//! Draining a queue of messages that do nothing.

use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use common::worker::Worker;

use super::Failed;
use super::load::{Tally, empty, messages_of, no_op, per_second};

/// Messages a second, from a worker's start to its end.
pub(crate) async fn drain(broker: &Broker, count: usize) -> Result<f64, Failed> {
    broker.enqueue(messages_of(count, broker.clock())?).await?;
    let tally = Tally::expecting(count);
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).state(tally.clone());
    let stopper = worker.stopper();
    let watch = Stopwatch::start();
    let run = tokio::spawn(worker.run());
    tally.done().await?;
    // The last acknowledgements belong to the drain: a worker that has stopped has stored them.
    stopper.stop();
    run.await??;
    let took = watch.elapsed();
    tally.check()?;
    empty(broker, &QueueName::default()).await?;
    Ok(per_second(count, took))
}
