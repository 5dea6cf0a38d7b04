//! What a deadline can stop, and what it cannot. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::actor::Interrupted;
use common::{Broker, Context, actor, actors};
use tracing::info;

/// How long each step of a count takes.
const STEP: Duration = Duration::from_millis(200);

/// Waits, and looks at nothing.
#[actor(time_limit = "1s", max_retries = 1, min_backoff = "500ms")]
async fn wait(broker: &Broker, seconds: f64) {
    broker.clock().sleep(Duration::from_secs_f64(seconds)).await;
}

/// Counts, and looks after each step whether it should end.
#[actor(time_limit = "1s", max_retries = 0)]
fn count(context: &Context, steps: u32) -> Result<(), Interrupted> {
    for step in 1..=steps {
        thread::sleep(STEP);
        info!("step {step}");
        context.check()?;
    }
    Ok(())
}

/// Keeps its thread busy, and looks at nothing.
#[actor(time_limit = "1s", max_retries = 0)]
fn block(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
    info!("it is over");
}

/// Is worth nothing after two seconds.
#[actor(max_age = "2s")]
fn news(text: String) {
    info!("{text}");
}

/// Wants to know when its worker stops, and is run once more then.
#[actor(notify_shutdown = true)]
fn carry_on(context: &Context, steps: u32) -> Result<(), Interrupted> {
    for step in 1..=steps {
        thread::sleep(STEP);
        context.check()?;
        info!("step {step}");
    }
    Ok(())
}

common::lab::main!(
    actors![wait, count, block, news, carry_on],
    demo: [
        "count 20",
        "wait 60" after "WARN",
        "block 9" after "attempt 1 failed",
        "count 2" after "goes on",
    ]
);
