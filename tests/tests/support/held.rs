//! Actors that a test holds up and lets go: files are gates. They are a program of their own, because workers are killed here;
//! `gate.rs` belongs to it.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use common::actor::Context;
use common::{actor, actors};
use tracing::{info, warn};

/// How many linger, or have lingered, in this process.
static LINGERING: AtomicU32 = AtomicU32::new(0);

/// Runs until the file `gate` is there, or until it is told to stop.
#[actor]
fn hold(context: &Context, gate: String) {
    wait_for(&gate, || context.is_cancelled());
    if Path::new(&gate).exists() {
        info!("let go");
    } else {
        warn!("told to stop");
    }
}

/// Is done at once.
#[actor]
fn note(n: u32) {
    info!("noted {n}");
}

/// Runs until the file `gate` is there, whatever aborts meanwhile. What it says is out before it ends; a log need not be.
#[actor]
fn linger(n: u32, gate: String) {
    LINGERING.fetch_add(1, Ordering::Relaxed);
    wait_for(&gate, || false);
    println!("lingered {n}");
}

/// Ends its worker, once so many linger beside it, or the file `gate` is there.
#[actor]
fn abort(neighbours: u32, gate: String) {
    wait_for(&gate, || LINGERING.load(Ordering::Relaxed) >= neighbours);
    std::process::abort();
}

/// Never lets go of its processor.
#[actor]
fn spin(seconds: u64) {
    let ends = std::time::Instant::now() + Duration::from_secs(seconds);
    while std::time::Instant::now() < ends {
        std::hint::spin_loop();
    }
    info!("spun");
}

common::lab::main!(actors![hold, note, linger, abort, spin], demo: ["note 1"]);
