//! What becomes of errors: those that an actor handles, and those that it leaves to the worker. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::{actor, actors};
use tracing::{info, warn};

/// Handles its error: 17 is not allowed, and its message is dropped.
#[actor]
fn handled(n: u32) {
    match check(n) {
        Ok(()) => info!("{n} is fine"),
        Err(error) => warn!("{error}; dropping the message"),
    }
}

/// Leaves its error to the worker, which retries: 17 is not allowed.
#[actor(max_retries = 3, min_backoff = "1s")]
fn unhandled(n: u32) -> Result<(), String> {
    check(n)?;
    info!("{n} is fine");
    Ok(())
}

/// Keeps a slot busy for so many seconds.
#[actor]
fn nap(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

fn check(n: u32) -> Result<(), String> {
    if n == 17 {
        return Err("17 is not allowed".to_owned());
    }
    Ok(())
}

common::lab::main!(
    actors![handled, unhandled, nap],
    demo: [
        "handled 3",
        "handled 17" after "done in",
        "unhandled 3" after "done in",
        "unhandled 17" after "done in",
        "nap 2.5" after "attempt 1 failed",
    ]
);
