//! Many processes on one file: how much less they get done than few.

use std::time::Duration;

use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::Counts;

use crate::ground::{Place, Setup};
use crate::support::child::Child;
use crate::support::load::{messages_of, per_second};
use crate::support::{Failed, table};

const FLEETS: [usize; 3] = [8, 50, 100];

/// What one call sends: while some are sent, others run.
const BATCH: usize = 50;

/// What workers do at their start is no part of the work.
const SETTLING: Duration = Duration::from_secs(3);

/// Between two looks at whether all is done.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    for workers in FLEETS {
        let rate = rate(setup, workers).await?;
        table::row(&format!("{workers} processes on one file, messages/s"), &format!("{rate:.0}"));
    }
    Ok(())
}

/// From the first message's sending to the last one's acknowledgement.
async fn rate(setup: &Setup, workers: usize) -> Result<f64, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let children = (0..workers).map(|_| Child::start(&[&place.url()])).collect::<Result<Vec<_>, _>>()?;
    Clock::system().sleep(SETTLING).await;
    let watch = Stopwatch::start();
    let mut messages = messages_of(setup.messages, broker.clock())?;
    while !messages.is_empty() {
        let rest = messages.split_off(BATCH.min(messages.len()));
        broker.enqueue(messages).await?;
        messages = rest;
    }
    while broker.counts(&QueueName::default()).await? != Counts::default() {
        Clock::system().sleep(PAUSE).await;
    }
    let took = watch.elapsed();
    drop(children);
    Ok(per_second(setup.messages, took))
}
