//! What runs first. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::{actor, actors};
use tracing::info;

/// Keeps a slot busy for so many seconds.
#[actor]
fn nap(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

/// Says hello. Somebody waits for that.
#[actor(priority = -5)]
fn greet(name: String) {
    info!("hello, {name}");
}

/// Tidies up, when there is nothing else to do.
#[actor(priority = 5)]
fn sweep() {
    info!("swept");
}

common::lab::main!(
    actors![nap, greet, sweep],
    demo: [
        "sweep",
        "nap 1 --times 5" after "done in",
        "sweep" after "starts",
        "greet ada",
    ]
);
