//! Draining a queue of messages that do nothing.

use common::broker::Broker;

use crate::ground::{Place, Setup};
use crate::support::{self, Failed, table};

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
    support::drain::drain(&Broker::connect(&place.url()).await?, count).await
}
