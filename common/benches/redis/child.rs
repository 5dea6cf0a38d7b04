//! What a worker in a process of its own does.

use std::thread;

use common::actor;
use common::actor::actors;
use common::worker::Worker;

use crate::ground::broker;
use crate::support::load::{Tally, no_op};
use crate::support::{Failed, child};

/// What a child says that runs a message which it never ends.
pub(crate) const HOLDING: &str = "holding";

/// What [`hold`] does with its message.
pub(crate) type Hand = Box<dyn Fn() + Send + Sync>;

/// In a child it never ends; in a worker that takes over, it tells.
#[actor]
pub(crate) fn hold(hand: &Hand) {
    hand();
}

/// What a child does, until its parent ends it or is gone.
pub(crate) async fn work(url: &str, namespace: &str) -> Result<(), Failed> {
    let broker = broker(url, namespace).await?;
    let hand: Hand = Box::new(|| {
        println!("{HOLDING}");
        loop {
            thread::park();
        }
    });
    child::work(Worker::new(broker).actors(actors![no_op, hold]).state(Tally::expecting(0)).state(hand)).await
}
