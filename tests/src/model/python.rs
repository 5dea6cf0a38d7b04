//! dramatiq's own script, taken from the virtual environment: what Python's workers do to a Redis.

mod bodies;
mod limits;

pub use self::bodies::Stored;
use crate::python;
use common::{
    clock::Timestamp,
    message::{Message, MessageId, option},
};
use redis::{Cmd, FromRedisValue, Value, aio::MultiplexedConnection};
use std::{fmt, fs, sync::OnceLock};

/// Where dramatiq keeps its script.
const SCRIPT: &str = "site-packages/dramatiq/brokers/redis/dispatch.lua";

/// The settings of a dramatiq that nobody has configured: how long a worker may be silent, how long dead letters are kept (both
/// in milliseconds), and how many arguments a call of Lua takes.
const SETTINGS: [u64; 3] = [60_000, 7 * 24 * 60 * 60 * 1_000, 3_996];

/// dramatiq's script on a server, for one namespace.
pub struct Script {
    connection: MultiplexedConnection,
    namespace: String,
    sha: String,
    url: String,
}

/// A message in a Python worker's memory.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The name that the worker ends it by: it is in the bytes.
    pub name: String,
    /// What it says.
    pub message: Message,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Script {
    /// Loads the script.
    ///
    /// # Panics
    /// When there is no dramatiq, or no server.
    pub async fn load(url: &str, namespace: &str) -> Self {
        let mut connection = crate::redis::patient(url).await;
        let mut load = redis::cmd("SCRIPT");
        let sha = load.arg("LOAD").arg(source()).query_async(&mut connection).await.expect("dramatiq's script");
        Self { connection, namespace: namespace.to_owned(), sha, url: url.to_owned() }
    }

    /// A call as a worker makes it; every one is a sign of life. With `maintains` it looks after the queue first.
    async fn call(
        &self,
        at: Timestamp,
        worker: &str,
        command: &str,
        queue: &str,
        maintains: bool,
        rest: &[&[u8]],
    ) -> Value {
        let [silent, dead, unpack] = SETTINGS;
        let mut call = Cmd::new();
        call.arg("EVALSHA").arg(&self.sha).arg(1).arg(&self.namespace);
        call.arg(command).arg(at.as_millis()).arg(queue).arg(worker);
        call.arg(silent).arg(dead).arg(u8::from(maintains)).arg(unpack);
        for argument in rest {
            call.arg(*argument);
        }
        call.query_async(&mut self.connection.clone())
            .await
            .unwrap_or_else(|error| panic!("{command} of {queue}: {error}"))
    }

    /// Deletes all keys of the namespace, so that a search has less to go through.
    pub async fn clear(&self) {
        const CLEAR: &str = "for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do redis.call('UNLINK', key) end";
        self.eval::<()>(CLEAR, &[]).await;
    }

    /// Stores bytes under a name.
    pub async fn enqueue(&self, at: Timestamp, worker: &str, queue: &str, name: &str, bytes: &[u8]) {
        self.call(at, worker, "enqueue", queue, false, &[name.as_bytes(), bytes]).await;
    }

    /// Takes messages from the head of a list; of what is none, the bytes.
    ///
    /// # Panics
    /// When a message has no name in it.
    pub async fn fetch(
        &self,
        at: Timestamp,
        worker: &str,
        queue: &str,
        count: usize,
        maintains: bool,
    ) -> Vec<Result<Taken, Vec<u8>>> {
        let answer = self.call(at, worker, "fetch", queue, maintains, &[count.to_string().as_bytes()]).await;
        let found = Vec::<Option<Vec<u8>>>::from_redis_value(answer).expect("bodies");
        let is_message = |bytes: &[u8]| Message::decode(bytes, Timestamp::EPOCH).is_ok();
        let one = |bytes: Vec<u8>| if is_message(&bytes) { Ok(taken(&bytes)) } else { Err(bytes) };
        found.into_iter().flatten().map(one).collect()
    }

    /// `ack`, `nack` or `requeue`.
    pub async fn end(&self, at: Timestamp, command: &str, worker: &str, queue: &str, name: &str) {
        self.call(at, worker, command, queue, false, &[name.as_bytes()]).await;
    }
}

/// A message as Python writes it, and the name that it lies under.
#[must_use]
pub fn written(queue: &str, number: u32, eta: Option<Timestamp>) -> (String, Vec<u8>) {
    let name = MessageId::random();
    let eta = eta.map(|eta| format!(r#","eta":{eta}"#)).unwrap_or_default();
    let body = format!(
        r#"{{"queue_name":"{queue}","actor_name":"work","args":[{number}],"kwargs":{{}},"options":{{"redis_message_id":"{name}"{eta}}},"message_id":"{number:06}","message_timestamp":1}}"#
    );
    (name.as_str().to_owned(), body.into_bytes())
}

/// What bytes say, and under which name they lie.
///
/// # Panics
/// When they are no message.
#[must_use]
pub fn taken(bytes: &[u8]) -> Taken {
    let mut message = Message::decode(bytes, Timestamp::EPOCH).expect("a message");
    let name = message.options.read(option::REDIS_MESSAGE_ID).expect("a name in the bytes");
    message.options.remove(option::REDIS_MESSAGE_ID);
    Taken { name, message }
}

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut folders = fs::read_dir(python::venv().join("lib")).expect("the virtual environment");
        let found = folders.find_map(|python| fs::read_to_string(python.ok()?.path().join(SCRIPT)).ok());
        found.expect("dramatiq is not in the virtual environment")
    })
}
