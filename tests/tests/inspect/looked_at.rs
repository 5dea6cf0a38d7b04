//! Actors whose messages are looked at: they wait, fail, or do not listen. A program of their own, because workers are killed here;
//! `support/gate.rs` belongs to it.

use std::path::Path;

use common::actor::Context;
use common::{actor, actors};

/// Runs until the file `gate` is there, or until it is told to stop.
#[actor(max_retries = 3)]
fn hold(context: &Context, gate: String) -> Result<(), String> {
    wait_for(&gate, || context.is_cancelled());
    if Path::new(&gate).exists() { Ok(()) } else { Err("told to stop".to_owned()) }
}

/// Runs until the file `gate` is there, whatever it is told.
#[actor]
fn deaf(gate: String) {
    wait_for(&gate, || false);
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

/// Halves an even number, and keeps what comes of it.
#[actor(store_results = true, max_retries = 0, queue = "mail")]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

common::lab::main!(actors![hold, deaf, note, mail, fail, retry, halve], demo: ["note 1"]);
