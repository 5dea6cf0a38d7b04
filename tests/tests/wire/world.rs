//! What both sides share in one test: a Redis, a namespace, and a notebook that the actors of both write into.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::actor::{Context, Declaration};
use common::broker::Broker;
use common::clock::{Stopwatch, Timestamp};
use common::message::Message;
use common::queue_name::QueueName;
use common::worker::{Shutdown, Stopper, Worker};
use redis::FromRedisValue;
use serde_json::{Value, json};
use tests::process::{PATIENCE, Process, eventually};
use tokio::task::JoinHandle;

/// What every Python program begins with. `note` writes into the notebook, with the time of Redis.
const PYTHON: &str = r#"
import json, os, time
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage

NAMESPACE = os.environ["KIT_NAMESPACE"]
broker = RedisBroker(url=os.environ["KIT_REDIS_URL"], namespace=NAMESPACE, **json.loads(os.environ["KIT_OPTIONS"]))
broker.add_middleware(CurrentMessage())
dramatiq.set_broker(broker)

def note(what):
    message = CurrentMessage.get_current_message()
    seconds, micros = broker.client.time()
    line = dict(side="python", what=what, message=message.encode().decode(), at=seconds * 1000 + micros // 1000)
    broker.client.rpush(NAMESPACE + "@notes", json.dumps(line))
"#;

/// Options of a Python broker that looks for the dead with every command, and takes for dead who is silent for long.
pub(crate) fn impatient(silent: Duration) -> String {
    json!({"heartbeat_timeout": u64::try_from(silent.as_millis()).unwrap(), "maintenance_chance": 1_000_000})
        .to_string()
}

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) namespace: String,
    pub(crate) broker: Broker,
    /// Options of the Python broker, as JSON.
    pub(crate) options: String,
}

/// That an actor ran.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// `rust` or `python`.
    pub(crate) side: String,
    /// What the actor says.
    pub(crate) what: Value,
    /// The message as the actor saw it.
    pub(crate) message: Message,
    /// When, by the clock of Redis.
    pub(crate) at: Timestamp,
}

/// What Rust actors write into.
pub(crate) struct Notebook {
    url: String,
    key: String,
}

impl Notebook {
    /// Writes a note; waits for a Redis that is away.
    pub(crate) fn note(&self, context: &Context, what: Value) {
        let message = String::from_utf8(context.message().encode()).expect("messages are text");
        let mut line = json!({"side": "rust", "what": what, "message": message});
        let mut write = || -> redis::RedisResult<()> {
            let mut redis = redis::Client::open(self.url.as_str())?.get_connection()?;
            let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(&mut redis)?;
            line["at"] = json!(seconds * 1_000 + micros / 1_000);
            redis::cmd("RPUSH").arg(&self.key).arg(line.to_string()).exec(&mut redis)
        };
        let started = Stopwatch::start();
        while let Err(error) = write() {
            assert!(started.elapsed() < PATIENCE, "{error}");
        }
    }
}

/// A Rust worker, in this process.
pub(crate) struct Rust {
    stopper: Stopper,
    run: JoinHandle<Shutdown>,
}

impl Rust {
    pub(crate) async fn stop(self) {
        self.stopper.stop();
        assert_eq!(self.run.await.expect("no panic"), Shutdown::Clean);
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(tests::redis::url()).await
    }

    /// On a Redis of a test's own.
    pub(crate) async fn on(url: String) -> Self {
        let namespace = tests::redis::namespace();
        let broker = Broker::builder().namespace(&namespace).connect(&url).await.expect("the Redis of the tests");
        Self { url, namespace, broker, options: "{}".to_owned() }
    }

    /// With a Python that looks for the dead with every command.
    pub(crate) async fn impatient(silent: Duration) -> Self {
        Self { options: impatient(silent), ..Self::new().await }
    }

    /// Starts a Rust worker of two slots, and waits until it fetches.
    pub(crate) async fn rust(&self, actors: &[&'static Declaration]) -> Rust {
        let notebook = Notebook { url: self.url.clone(), key: format!("{}@notes", self.namespace) };
        let (ready, started) = tokio::sync::oneshot::channel();
        let worker = Worker::new(self.broker.clone()).threads(2).actors(actors).state(notebook).on_ready(move || {
            let _ = ready.send(());
        });
        let stopper = worker.stopper();
        let run = tokio::spawn(async move { worker.run().await.expect("a worker without mistakes") });
        started.await.expect("the worker gets ready");
        Rust { stopper, run }
    }

    /// Starts a real dramatiq worker of two threads, and waits until it fetches.
    pub(crate) fn dramatiq(&self, actors: &str) -> Process {
        self.dramatiq_with(actors, &[])
    }

    pub(crate) fn dramatiq_with(&self, actors: &str, arguments: &[&str]) -> Process {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let module = format!("{PYTHON}\n{actors}");
        std::fs::write(folder.path().join("wire_actors.py"), module).expect("a temporary file can be written");
        let arguments = [&["-m", "dramatiq", "wire_actors", "-p", "1", "-t", "2"], arguments].concat();
        let python = tests::python::venv().join("bin/python");
        let worker = Process::start_in(folder.path(), &python, &arguments, &self.environment());
        let worker = worker.keeping(folder);
        worker.wait_for_line("Worker process is ready for action.");
        worker
    }

    /// Runs a script with a broker, and returns what it printed.
    pub(crate) fn python(&self, script: &str) -> String {
        let mut command = Command::new(tests::python::venv().join("bin/python"));
        command.arg("-c").arg(format!("{PYTHON}\n{script}")).envs(self.environment()).stdin(Stdio::null());
        let output = command.output().expect("python starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "the script failed:\n{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("KIT_REDIS_URL", &self.url),
            ("KIT_NAMESPACE", &self.namespace),
            ("KIT_OPTIONS", &self.options),
            ("PYTHONUNBUFFERED", "1"),
        ]
    }

    /// Waits until so many notes are written, and returns all, in their order.
    pub(crate) fn notes(&self, count: usize) -> Vec<Note> {
        let key = format!("{}@notes", self.namespace);
        let read = || -> Vec<String> { self.redis(&["LRANGE", &key, "0", "-1"]) };
        eventually(PATIENCE, || (read().len() >= count).then_some(()));
        let lines = read();
        assert!(lines.len() >= count, "{count} notes are awaited, there are {}:\n{}", lines.len(), self.everything());
        lines.iter().map(|line| Note::read(line)).collect()
    }

    /// Waits until no message is left but dead letters.
    pub(crate) fn settle(&self) {
        let left = || -> usize {
            let stored = self.stored();
            stored.iter().filter(|(queue, ..)| queue.strip_suffix(".XQ").is_none()).count()
        };
        let settled = eventually(PATIENCE, || (left() == 0).then_some(()));
        assert!(settled.is_some(), "messages are left:\n{}", self.everything());
    }

    /// Waits until a look sees what it wants.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        eventually(PATIENCE, look).unwrap_or_else(|| panic!("{what}: not in {PATIENCE:?}\n{}", self.everything()))
    }

    /// All bodies: the queue that they lie in (`.DQ` and `.XQ` included), their id there, and the bytes.
    pub(crate) fn stored(&self) -> Vec<(String, String, Vec<u8>)> {
        let mut all = Vec::new();
        for key in self.keys() {
            if let Some(queue) = key.strip_suffix(".msgs") {
                let bodies: Vec<(String, Vec<u8>)> = self.redis(&["HGETALL", &format!(":{key}")]);
                all.extend(bodies.into_iter().map(|(id, bytes)| (queue.to_owned(), id, bytes)));
            }
        }
        all
    }

    /// All keys of the namespace, without it.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.redis(&["KEYS", ":*"]);
        let mut keys: Vec<_> = keys.iter().map(|key| key[self.namespace.len() + 1..].to_owned()).collect();
        keys.sort();
        keys
    }

    /// The dead letters of the default queue, as anybody may read them.
    pub(crate) async fn dead(&self) -> Vec<(Message, Option<String>)> {
        let letters = self.broker.dead_letters(&QueueName::default(), 0, 99).await.expect("dead letters");
        letters
            .into_iter()
            .map(|letter| (Message::decode(&letter.bytes, Timestamp::EPOCH).expect("a message"), letter.reason))
            .collect()
    }

    /// Stores bytes with the two commands that are a complete enqueue.
    pub(crate) fn store(&self, queue: &str, id: &str, body: &str) {
        let _: i64 = self.redis(&["HSET", &format!(":{queue}.msgs"), id, body]);
        let _: i64 = self.redis(&["RPUSH", &format!(":{queue}"), id]);
    }

    /// Redis's time.
    pub(crate) fn now(&self) -> Timestamp {
        let (seconds, micros): (i64, i64) = self.redis(&["TIME"]);
        Timestamp::from_millis(seconds * 1_000 + micros / 1_000)
    }

    /// The command in words; `:` at the start of one stands for the namespace.
    pub(crate) fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            match word.strip_prefix(':') {
                Some(rest) => command.arg(format!("{}:{rest}", self.namespace)),
                None => command.arg(*word),
            };
        }
        command.query(&mut self.connection()).expect("an answer of Redis")
    }

    fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url.as_str()).expect("the URL of a Redis");
        client.get_connection().expect("the Redis of this test")
    }

    /// Everything that lies there, for whoever has to find out why.
    fn everything(&self) -> String {
        let mut text = format!("{:?}\n", self.keys());
        for (queue, id, bytes) in self.stored() {
            let _ = writeln!(text, "{queue} {id}: {}", String::from_utf8_lossy(&bytes));
        }
        let notes: Vec<String> = self.redis(&["LRANGE", &format!("{}@notes", self.namespace), "0", "-1"]);
        text + &notes.join("\n")
    }
}

impl Note {
    fn read(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).expect("a note");
        let message = value["message"].as_str().expect("a message").as_bytes();
        Self {
            side: value["side"].as_str().expect("a side").to_owned(),
            what: value["what"].clone(),
            message: Message::decode(message, Timestamp::EPOCH).expect("a message"),
            at: Timestamp::from_millis(value["at"].as_i64().expect("a time")),
        }
    }

    /// The message's id.
    pub(crate) fn id(&self) -> &str {
        self.message.message_id.as_str()
    }
}

/// A body as anybody might write one.
pub(crate) fn body(queue: &str, actor: &str, args: &str, options: &str, id: &str) -> String {
    format!(
        r#"{{"queue_name":"{queue}","actor_name":"{actor}","args":{args},"kwargs":{{}},"options":{{{options}}},"message_id":"{id}","message_timestamp":1795485700331}}"#
    )
}
