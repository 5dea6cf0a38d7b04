//! Actors that a test holds up and lets go: files are gates. They are a program of their own, because workers are killed here.

use std::{path::Path, thread, time::Duration};

use common::actor::Context;
use common::{actor, actors};
use tracing::{info, warn};

/// Runs until the file `gate` is there, or until it is told to stop.
#[actor]
fn hold(context: &Context, gate: String) {
    while !Path::new(&gate).exists() {
        if context.is_cancelled() {
            warn!("told to stop");
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    info!("let go");
}

/// Is done at once.
#[actor]
fn note(n: u32) {
    info!("noted {n}");
}

/// Is still running when what began beside it aborts.
#[actor]
fn linger(n: u32) {
    thread::sleep(Duration::from_millis(800));
    info!("lingered {n}");
}

/// Ends its worker, once its neighbours have begun.
#[actor]
fn abort() {
    thread::sleep(Duration::from_millis(300));
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
