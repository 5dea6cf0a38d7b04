//! Sending: in batches, one after the other, and from many tasks at once.

use common::broker::Broker;
use common::clock::Stopwatch;
use common::queue_name::QueueName;

use crate::ground::{Place, Setup};
use crate::support::load::{messages_of, no_op, per_second};
use crate::support::{Failed, table};

/// Messages in one call.
const BATCH: usize = 1_000;

/// Tasks that send at the same time.
const TASKS: usize = 256;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let count = setup.messages;
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..table::ROUNDS {
        for (rates, way) in rates.iter_mut().zip([Way::Batches, Way::Single, Way::Tasks]) {
            rates.push(send(setup, way, count).await?);
        }
    }
    let ways = [
        "enqueue by 1,000, messages/s",
        "enqueue one after the other, messages/s",
        "the same by 256 tasks, messages/s",
    ];
    for (way, rates) in ways.into_iter().zip(rates) {
        table::row(way, &format!("{:.0}", table::median(rates)));
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Way {
    Batches,
    Single,
    Tasks,
}

async fn send(setup: &Setup, way: Way, count: usize) -> Result<f64, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let messages = messages_of(count, broker.clock())?;
    let watch = Stopwatch::start();
    let sent = match way {
        Way::Batches => {
            for batch in messages.chunks(BATCH) {
                broker.enqueue(batch.to_vec()).await?;
            }
            count
        }
        Way::Single => {
            let some = count / 10;
            for _ in 0..some {
                no_op::send(&broker).await?;
            }
            some
        }
        Way::Tasks => {
            let each = count / TASKS;
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let broker = broker.clone();
                    tokio::spawn(async move {
                        for _ in 0..each {
                            no_op::send(&broker).await?;
                        }
                        Ok::<_, Failed>(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            each * TASKS
        }
    };
    let took = watch.elapsed();
    let ready = broker.counts(&QueueName::default()).await?.ready;
    if ready == sent {
        Ok(per_second(sent, took))
    } else {
        Err(format!("{ready} of {sent} messages were stored").into())
    }
}
