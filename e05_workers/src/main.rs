//! Who runs what: slots, queues and processes. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::{Broker, actor, actors};
use tracing::info;

/// Keeps a slot busy for so many seconds, and the thread of that slot.
#[actor]
fn nap(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

/// Keeps a slot busy for so many seconds, and no thread.
#[actor]
async fn wait(broker: &Broker, seconds: f64) {
    broker.clock().sleep(Duration::from_secs_f64(seconds)).await;
}

/// Is short, and has a queue of its own.
#[actor(queue = "mail")]
fn mail(to: String) {
    info!("dear {to}");
}

common::lab::main!(
    actors![nap, wait, mail],
    demo: [
        "nap 3",
        "nap 1 --times 2" after "slot 1",
        "mail ada" after "done in",
        "wait 1 --times 4" after "slot 1",
    ]
);
