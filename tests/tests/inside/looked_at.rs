//! Actors whose messages are looked at: they wait, fail, or do not listen. A program of their own, because workers are killed here.

use std::{path::Path, thread, time::Duration};

use common::actor::Context;
use common::{actor, actors};

/// Between two looks at a gate.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs until the file `gate` is there, or until it is told to stop.
#[actor(max_retries = 3)]
fn hold(context: &Context, gate: String) -> Result<(), String> {
    while !Path::new(&gate).exists() {
        if context.is_cancelled() {
            return Err("told to stop".to_owned());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Runs until the file `gate` is there, whatever it is told.
#[actor]
fn deaf(gate: String) {
    while !Path::new(&gate).exists() {
        thread::sleep(PAUSE);
    }
}

/// Is done at once.
#[actor]
fn note(n: u32) {
    tracing::info!("noted {n}");
}

/// Is done at once, from a queue of its own.
#[actor(queue = "mail")]
fn mail(n: u32) {
    tracing::info!("mailed {n}");
}

/// Fails for good.
#[actor(max_retries = 0)]
fn fail(why: String) -> Result<(), String> {
    Err(why)
}

/// Fails, and is retried after a long time.
#[actor(max_retries = 3, min_backoff = "1h")]
fn retry(why: String) -> Result<(), String> {
    Err(why)
}

common::lab::main!(actors![hold, deaf, note, mail, fail, retry], demo: ["note 1"]);
