//! Draining a queue of messages that do nothing.

use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::worker::Worker;

use crate::ground::{Failed, Place, Setup, Tally, empty, messages_of, no_op, per_second};
use crate::table;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let mut rates = Vec::new();
    for _ in 0..table::ROUNDS {
        rates.push(drain(setup, setup.messages).await?);
    }
    table::row("drain, messages/s", &format!("{:.0}", table::median(rates)));
    Ok(())
}

/// From the worker's start to its end.
pub(crate) async fn drain(setup: &Setup, count: usize) -> Result<f64, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
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
    empty(&broker).await?;
    Ok(per_second(count, took))
}
