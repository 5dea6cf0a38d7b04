//! Races with dramatiq's own script, written out step by step on a clock that moves by hand.
//!
//! Whatever the order, each message ends once, and nothing is left of it.

mod owners;
#[allow(dead_code, reason = "another test's Python, of which not all is needed here")]
#[path = "../redis_store/python.rs"]
mod python;
mod upkeep;

use std::time::Duration;

use common::store::Registration;

use self::python::{Python, Script, Taken};
use crate::rig::Rig;

/// Longer than Python waits for a sign of life.
const BEYOND_DEATH: Duration = Duration::from_secs(70);

/// So many beats until a Rust worker is sure that a Python worker is dead.
const BEATS_UNTIL_PYTHON_IS_DEAD: usize = 60;

/// One Python worker beside the rig's store.
struct Beside {
    script: Script,
    worker: Python,
}

impl Beside {
    async fn new(rig: &Rig) -> Self {
        Self { script: Script::load(rig).await, worker: Python::new() }
    }

    /// Looks for the dead, and takes what there is; returns the arguments.
    async fn takes(&mut self, rig: &Rig, queue: &str) -> Vec<i64> {
        self.fetches(rig, queue, true).await
    }

    async fn fetches(&mut self, rig: &Rig, queue: &str, maintains: bool) -> Vec<i64> {
        let before = self.worker.held.len();
        self.script.fetch(rig, &mut self.worker, queue, 99, maintains).await;
        self.worker.held[before..].iter().map(Taken::number).collect()
    }

    /// Ends a message by `ack`, `nack` or `requeue`.
    async fn ends(&mut self, rig: &Rig, command: &str, argument: i64) {
        let at = self.worker.held.iter().position(|taken| taken.number() == argument).expect("it holds the message");
        let taken = self.worker.held.remove(at);
        self.script.end(rig, command, &self.worker, &taken).await;
    }

    /// Moves what is due from its memory to the queue, as dramatiq does it: first there, then away.
    async fn promotes(&mut self, rig: &Rig, argument: i64) {
        self.script.enqueue(rig, &self.worker.id, "default", argument, None).await;
        self.ends(rig, "ack", argument).await;
    }
}

/// A rig, one Python worker beside it, and one of Rust's for the default queue.
async fn both() -> (Rig, Beside, Registration) {
    let rig = Rig::new().await;
    let python = Beside::new(&rig).await;
    let worker = rig.register(&["default"]).await;
    (rig, python, worker)
}

/// A place on the same Redis whose clock is its own.
async fn with_a_clock_of_its_own(rig: &Rig) -> Rig {
    let mut other = Rig::new().await;
    other.namespace.clone_from(&rig.namespace);
    other
}
