//! Batches of something else than their actor takes, and of values that nobody can read as what it returns.

use std::time::Duration;

use common::actor;
use common::broker::Broker;
use common::error::{EnqueueError, ResultError};

#[actor(store_results = true)]
fn checksum(_path: String) -> u64 {
    17
}

#[actor]
fn resize(_path: String, _width: u32) {}

fn batches() {
    checksum::batch("one/path");
    resize::batch(["a", "b"]);
    resize::batch([(7, "a")]);
}

async fn results(broker: &Broker) -> Result<(), EnqueueError> {
    let sent = checksum::batch(["a", "b"]).send(broker).await?;
    sent.each_result::<String>(Duration::from_secs(1));
    let _: Result<Vec<String>, ResultError> = sent.results_blocking(Duration::from_secs(1));
    Ok(())
}

fn main() {}
