//! Actors that a test holds up and lets go: files are gates. They are a program of their own, because workers are killed here.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use common::actor::Context;
use common::{actor, actors};
use tracing::{info, warn};

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// How many linger, or have lingered, in this process.
static LINGERING: AtomicU32 = AtomicU32::new(0);

/// Runs until the file `gate` is there, or until it is told to stop.
#[actor]
fn hold(context: &Context, gate: String) {
    while !Path::new(&gate).exists() {
        if context.is_cancelled() {
            warn!("told to stop");
            return;
        }
        thread::sleep(PAUSE);
    }
    info!("let go");
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
    while !Path::new(&gate).exists() {
        thread::sleep(PAUSE);
    }
    println!("lingered {n}");
}

/// Ends its worker, once so many linger beside it, or the file `gate` is there.
#[actor]
fn abort(neighbours: u32, gate: String) {
    while LINGERING.load(Ordering::Relaxed) < neighbours && !Path::new(&gate).exists() {
        thread::sleep(PAUSE);
    }
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
