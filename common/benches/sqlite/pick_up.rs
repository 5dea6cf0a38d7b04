//! How long a message waits for a worker that has nothing else to do, in this process and in another one.

use std::time::Duration;

use common::broker::Broker;

use crate::ground::{Place, Setup};
use crate::support::Failed;
use crate::support::child::Child;
use crate::support::load::{answer, micros};
use crate::support::pick_up::{pick_up, settle};
use crate::support::table::{self, Waits};

const MESSAGES: usize = 300;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    table::row("idle pick-up in one process, ms: p50, p95, most", &here(setup).await?.told());
    let (pick_up, results) = there(setup).await?;
    table::row("idle pick-up by another process, ms: p50, p95, most", &pick_up.told());
    table::row("a result from another process, ms: p50, p95, most", &results.told());
    Ok(())
}

async fn here(setup: &Setup) -> Result<Waits, Failed> {
    let place = Place::new(setup)?;
    pick_up(&Broker::connect(&place.url()).await?, MESSAGES).await
}

/// From a send to the start of its actor, and from that to whoever waits for its result.
async fn there(setup: &Setup) -> Result<(Waits, Waits), Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let _child = Child::start(&[&place.url()])?;
    let (mut waits, mut results) = (Vec::with_capacity(MESSAGES), Vec::with_capacity(MESSAGES));
    for _ in 0..MESSAGES {
        settle(&broker).await?;
        let sent = micros();
        let started: u64 = answer::send(&broker).await?.result(PATIENCE).await?;
        let ended = micros();
        waits.push(Duration::from_micros(started.saturating_sub(sent)));
        results.push(Duration::from_micros(ended.saturating_sub(started)));
    }
    Ok((Waits::new(waits)?, Waits::new(results)?))
}
