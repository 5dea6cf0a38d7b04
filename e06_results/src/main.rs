//! What becomes of what an actor returns, and who may read it. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::error::{EnqueueError, ResultError};
use common::{Broker, actor, actors};
use tracing::{info, warn};

/// Halves an even number, slowly; what it returns is kept for a minute.
#[actor(store_results = true, result_ttl = "1m", max_retries = 1, min_backoff = "500ms")]
fn halve(n: u32) -> Result<u32, String> {
    thread::sleep(Duration::from_millis(300));
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

/// Doubles a number; what it returns is not kept.
#[actor]
fn double(n: u32) -> u32 {
    2 * n
}

async fn ask(broker: Broker, n: u32, seconds: u64) -> Result<(), EnqueueError> {
    let sent = halve::send(&broker, n).await?;
    info!("sent {sent} with id {}", sent.message_id);
    say(sent.result(Duration::from_secs(seconds)).await);
    Ok(())
}

async fn ask_double(broker: Broker, n: u32) -> Result<(), EnqueueError> {
    let sent = double::send(&broker, n).await?;
    say(sent.result(Duration::from_secs(10)).await);
    Ok(())
}

fn say(result: Result<u32, ResultError>) {
    match result {
        Ok(value) => info!("it returned {value}"),
        Err(ResultError::Failed { kind, text }) => warn!("it failed for good, with a {kind}: {text}"),
        Err(ResultError::Timeout { explanation: Some(why), .. }) => warn!("nothing yet; {why}"),
        Err(ResultError::NotKept(actor)) => warn!("not waiting: nobody keeps what {actor} returns"),
        Err(other) => warn!("{other}"),
    }
}

common::lab::main!(
    actors![halve, double],
    commands: [
        ask(n: u32, seconds: u64) = "Sends `halve`, and waits so long for what it returns",
        ask_double(n: u32) = "Sends `double`, and finds out that nobody keeps what it returns",
    ],
    demo: ["ask 8 10", "ask 7 10", "ask 10 0", "ask_double 8" after "done in"]
);
