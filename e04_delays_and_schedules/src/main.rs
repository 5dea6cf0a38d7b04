//! When messages run that are not to run at once. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::error::EnqueueError;
use common::{Broker, actor, actors};
use tracing::info;

/// From the end of one tick to the start of the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What a tick has to do.
const WORK: Duration = Duration::from_millis(300);

/// Writes a line that somebody wants to be reminded of.
#[actor]
fn remind(text: String) {
    info!("remember: {text}");
}

/// Keeps a slot busy for so many seconds.
#[actor]
fn nap(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

/// Ticks so many times: the last thing that each tick does is to send the next one, with a delay.
#[actor]
fn tick(broker: &Broker, times: u32) -> Result<(), EnqueueError> {
    info!("tick");
    thread::sleep(WORK);
    if times > 1 {
        let next = tick::message(times - 1).delay(PAUSE).send_blocking(broker)?;
        info!("the next one is {}", next.message_id);
    }
    Ok(())
}

common::lab::main!(
    actors![remind, nap, tick],
    demo: [
        "remind tea --delay 2s",
        "remind coffee",
        "nap 3 --times 2" after "remember: tea",
        "remind lunch --delay 1s" after "attempt 1 starts",
        "tick 4" after "remember: lunch",
    ]
);
