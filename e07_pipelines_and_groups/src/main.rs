//! One step after the other, and many at once. The notes are in README.rst.

use std::error::Error;
use std::thread;
use std::time::Duration;

use common::composition::{SentPipeline, group};
use common::{Broker, actor, actors};
use tracing::info;

/// Adds two numbers.
#[actor]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Takes so many seconds, and returns `n`.
#[actor(store_results = true, max_retries = 0)]
fn nap(seconds: f64, n: i64) -> Result<i64, String> {
    thread::sleep(Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?);
    Ok(n)
}

/// Says what it was called with.
#[actor]
fn announce(n: i64) {
    info!("it comes to {n}");
}

/// Doubles a number, in Python.
#[actor(remote, queue = "python")]
fn double(n: i64) -> i64;

async fn sum(broker: Broker, a: i64, b: i64, c: i64) -> Result<(), Box<dyn Error>> {
    let steps = add::message(a, b) | add::step(c) | announce::step();
    say(&steps.send(&broker).await?);
    Ok(())
}

async fn slow_sum(broker: Broker, a: i64, b: i64, seconds: f64) -> Result<(), Box<dyn Error>> {
    let steps = add::message(a, b) | nap::step(seconds) | announce::step();
    say(&steps.send(&broker).await?);
    Ok(())
}

async fn late_sum(broker: Broker, a: i64, b: i64) -> Result<(), Box<dyn Error>> {
    let late = announce::step().delay(Duration::from_secs(1));
    let steps = add::message(a, b) | late | announce::message(0);
    say(&steps.send(&broker).await?);
    Ok(())
}

async fn double_sum(broker: Broker, a: i64, b: i64) -> Result<(), Box<dyn Error>> {
    let steps = add::message(a, b) | double::step() | announce::step();
    say(&steps.send(&broker).await?);
    Ok(())
}

async fn naps(broker: Broker, first: f64, second: f64, third: f64) -> Result<(), Box<dyn Error>> {
    let members = [nap::message(first, 1), nap::message(second, 2), nap::message(third, 3)];
    let naps = group(members).then(announce::message(3)).send(&broker).await?;
    info!("sent {} members", naps.members().len());
    let returned: Vec<i64> = naps.results(Duration::from_secs(20)).await?;
    info!("in their order, they returned {returned:?}");
    Ok(())
}

fn say(sent: &SentPipeline<announce>) {
    let first = &sent.steps()[0];
    info!("sent {first} with id {}, and {} more steps inside", first.message_id, sent.steps().len() - 1);
}

common::lab::main!(
    actors![add, nap, announce],
    commands: [
        sum(a: i64, b: i64, c: i64) = "Adds two numbers, then a third one, then announces",
        slow_sum(a: i64, b: i64, seconds: f64) = "Adds two numbers, naps, then announces",
        late_sum(a: i64, b: i64) = "Adds two numbers, announces a second later, and then something else",
        double_sum(a: i64, b: i64) = "Adds two numbers, doubles them in Python, then announces",
        naps(first: f64, second: f64, third: f64) = "Takes three naps at once, then announces",
    ],
    demo: [
        "sum 1 2 3",
        "late_sum 1 2" after "comes to 6",
        "naps 1.5 0.5 1" after "comes to 0",
    ]
);
