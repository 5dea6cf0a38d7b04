//! Workers that act through dramatiq's own script, taken from the virtual environment.

use std::fs;

use common::clock::Timestamp;
use common::message::{Message, MessageId, option};
use redis::{Cmd, Value};

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
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
}

impl Python {
    pub(crate) fn new() -> Self {
        Self { id: MessageId::random().to_string(), held: Vec::new() }
    }
}

/// dramatiq's script on the server.
pub(crate) struct Script {
    sha: String,
}

impl Script {
    pub(crate) async fn load(rig: &Rig) -> Self {
        let script = "site-packages/dramatiq/brokers/redis/dispatch.lua";
        let source = fs::read_dir(tests::python::venv().join("lib"))
            .unwrap()
            .find_map(|python| fs::read_to_string(python.ok()?.path().join(script)).ok())
            .expect("dramatiq is not in the virtual environment");
        Self { sha: rig.redis(&["SCRIPT", "LOAD", &source]).await }
    }

    async fn call(&self, rig: &Rig, worker: &str, command: &str, queue: &str, maintain: bool, rest: &[&[u8]]) -> Value {
        let mut call = Cmd::new();
        call.arg("EVALSHA").arg(&self.sha).arg(1).arg(&rig.namespace);
        call.arg(command).arg(rig.now()).arg(queue).arg(worker);
        call.arg(60_000).arg(604_800_000).arg(u8::from(maintain)).arg(3_996);
        for argument in rest {
            call.arg(*argument);
        }
        rig.call(&call).await
    }

    /// Stores a message under a fresh id.
    pub(crate) async fn enqueue(&self, rig: &Rig, worker: &str, queue: &str, number: i64, eta: Option<i64>) {
        let id = MessageId::random();
        let eta = eta.map(|eta| format!(r#","eta":{eta}"#)).unwrap_or_default();
        let body = format!(
            r#"{{"queue_name":"{queue}","actor_name":"x","args":[{number}],"kwargs":{{}},"options":{{"redis_message_id":"{id}"{eta}}},"message_id":"{id}","message_timestamp":1}}"#
        );
        let rest = [id.as_str().as_bytes(), body.as_bytes()];
        self.call(rig, worker, "enqueue", queue, false, &rest).await;
    }

    pub(crate) async fn fetch(&self, rig: &Rig, python: &mut Python, queue: &str, count: u64, maintain: bool) {
        let count = count.to_string();
        let answer = self.call(rig, &python.id, "fetch", queue, maintain, &[count.as_bytes()]).await;
        let found: Vec<Option<Vec<u8>>> = redis::from_redis_value(answer).unwrap();
        python.held.extend(found.into_iter().flatten().map(|bytes| Taken {
            queue: queue.to_owned(),
            id: message_in(&bytes).options.read(option::REDIS_MESSAGE_ID).unwrap(),
            bytes,
        }));
    }

    /// `ack`, `nack` or `requeue`.
    pub(crate) async fn end(&self, rig: &Rig, command: &str, python: &Python, taken: &Taken) {
        self.call(rig, &python.id, command, &taken.queue, false, &[taken.id.as_bytes()]).await;
    }

    /// Whether an end would count: the claim and the body are there.
    pub(crate) async fn owns(&self, rig: &Rig, python: &Python, taken: &Taken) -> bool {
        let acks = format!(":__acks__.{}.{}", python.id, taken.queue);
        let has_claim: bool = rig.redis(&["SISMEMBER", &acks, &taken.id]).await;
        let has_body: bool = rig.redis(&["HEXISTS", &format!(":{}.msgs", taken.queue), &taken.id]).await;
        has_claim && has_body
    }
}

/// When a message is due.
pub(crate) fn due(taken: &Taken) -> Timestamp {
    message_in(&taken.bytes).eta(Timestamp::EPOCH).unwrap_or(Timestamp::EPOCH)
}

fn message_in(bytes: &[u8]) -> Message {
    Message::decode(bytes, Timestamp::EPOCH).unwrap()
}
