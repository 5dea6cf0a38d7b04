//! A worker of Python's on the rig's Redis, by dramatiq's own script.

use common::clock::Timestamp;
use common::message::{Message, MessageId};
use tests::model::python::{self, written};

use crate::rig::Rig;

pub(crate) struct Python {
    pub(crate) id: String,
    pub(crate) held: Vec<Taken>,
}

/// A message in a Python worker's memory.
#[derive(Clone)]
pub(crate) struct Taken {
    /// As it was fetched from, `.DQ` included.
    pub(crate) queue: String,
    /// The name that it lies under.
    pub(crate) id: String,
    pub(crate) message: Message,
}

impl Python {
    pub(crate) fn new() -> Self {
        Self { id: MessageId::random().to_string(), held: Vec::new() }
    }
}

impl Taken {
    /// The argument that tells messages apart.
    pub(crate) fn number(&self) -> i64 {
        self.message.args[0].read().unwrap()
    }
}

/// dramatiq's script in the rig's namespace.
pub(crate) struct Script(python::Script);

impl Script {
    pub(crate) async fn load(rig: &Rig) -> Self {
        Self(python::Script::load(&tests::redis::url(), &rig.namespace).await)
    }

    /// Stores a message under a fresh name.
    pub(crate) async fn enqueue(&self, rig: &Rig, worker: &str, queue: &str, number: i64, eta: Option<i64>) {
        let number = u32::try_from(number).unwrap();
        let (name, body) = written(queue, number, eta.map(Timestamp::from_millis));
        self.0.enqueue(rig.clock.now(), worker, queue, &name, &body).await;
    }

    pub(crate) async fn fetch(&self, rig: &Rig, python: &mut Python, queue: &str, count: usize, maintains: bool) {
        let found = self.0.fetch(rig.clock.now(), &python.id, queue, count, maintains).await;
        let taken = |found: Result<python::Taken, _>| {
            let python::Taken { name, message } = found.expect("a message");
            Taken { queue: queue.to_owned(), id: name, message }
        };
        python.held.extend(found.into_iter().map(taken));
    }

    /// `ack`, `nack` or `requeue`.
    pub(crate) async fn end(&self, rig: &Rig, command: &str, python: &Python, taken: &Taken) {
        self.0.end(rig.clock.now(), command, &python.id, &taken.queue, &taken.id).await;
    }

    /// Whether an end would count: the claim and the body are there.
    pub(crate) async fn owns(&self, rig: &Rig, python: &Python, taken: &Taken) -> bool {
        let acks = format!(":__acks__.{}.{}", python.id, taken.queue);
        let has_claim: bool = rig.redis(&["SISMEMBER", &acks, &taken.id]).await;
        let has_body: bool = rig.redis(&["HEXISTS", &format!(":{}.msgs", taken.queue), &taken.id]).await;
        has_claim && has_body
    }
}
