//! How long a message waits for a worker that has nothing else to do, in this process and in another one.

use std::time::Duration;

use common::broker::Broker;
use common::results::Stored;

use crate::ground::{Place, Setup, answer, micros};
use crate::support::Failed;
use crate::support::child::Child;
use crate::support::pick_up::{pick_up, settle};
use crate::support::table::{self, Waits};

const MESSAGES: usize = 300;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    table::row("idle pick-up in one process, ms: p50, p95, most", &here(setup).await?.told());
    table::row("idle pick-up by another process, ms: p50, p95, most", &there(setup).await?.told());
    Ok(())
}

async fn here(setup: &Setup) -> Result<Waits, Failed> {
    let place = Place::new(setup)?;
    pick_up(&Broker::connect(&place.url()).await?, MESSAGES).await
}

async fn there(setup: &Setup) -> Result<Waits, Failed> {
    let place = Place::new(setup)?;
    let broker = Broker::connect(&place.url()).await?;
    let _child = Child::start(&[&place.url()])?;
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
