//! A store with a manual clock in a namespace of its own, and hands to act beside it.

use std::collections::HashMap;
use std::time::Duration;

use common::clock::{Clock, Timestamp};
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{
    BEAT_INTERVAL, Beat, Cancelled, Claim, Completion, Delivery, Disposition, Effect, FetchRequest, Finished,
    Inspect as _, MessageInfo, Registration, Store,
};
use common::stores::redis::RedisStore;
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;

pub(crate) const NOON: i64 = 1_795_485_700_000;

/// Why a test cancels.
pub(crate) const WHY: &str = "cancelled by hand";

pub(crate) struct Rig {
    pub(crate) store: RedisStore,
    pub(crate) clock: Clock,
    pub(crate) namespace: String,
    connection: MultiplexedConnection,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::at(&tests::redis::url()).await
    }

    /// In a database that no other test uses, so that its connections are known.
    pub(crate) async fn alone(database: u8) -> Self {
        let url = tests::redis::url();
        let server = url.trim_end_matches('/').trim_end_matches("/0");
        Self::at(&format!("{server}/{database}")).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(NOON));
        let namespace = tests::redis::namespace();
        let store = tests::redis::store(url, &namespace, &clock).await;
        Self { store, clock, namespace, connection: tests::redis::patient(url).await }
    }

    /// What the server says of each of the store's connections to this database, by field.
    pub(crate) async fn connections(&self, database: u8) -> Vec<HashMap<String, String>> {
        let own: i64 = self.redis(&["CLIENT", "ID"]).await;
        let all: String = self.redis(&["CLIENT", "LIST"]).await;
        let fields = |line: &str| -> HashMap<String, String> {
            let pairs = line.split(' ').filter_map(|field| field.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let is_ours =
            |client: &HashMap<String, String>| client["db"] == database.to_string() && client["id"] != own.to_string();
        all.lines().map(fields).filter(is_ours).collect()
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// The command in words; `:` at the start of one stands for the namespace.
    pub(crate) async fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            match word.strip_prefix(':') {
                Some(rest) => command.arg(format!("{}:{rest}", self.namespace)),
                None => command.arg(*word),
            };
        }
        self.call(&command).await
    }

    pub(crate) async fn call<T: FromRedisValue>(&self, command: &redis::Cmd) -> T {
        command.query_async(&mut self.connection.clone()).await.unwrap()
    }

    pub(crate) async fn pipe(&self, pipe: &redis::Pipeline) {
        pipe.exec_async(&mut self.connection.clone()).await.unwrap();
    }

    pub(crate) async fn list(&self, key: &str) -> Vec<String> {
        self.redis(&["LRANGE", key, "0", "-1"]).await
    }

    /// All keys of the namespace but signs of life and registrations.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.redis(&["KEYS", ":*"]).await;
        for key in &mut keys {
            *key = key[self.namespace.len()..].to_owned();
        }
        keys.retain(|key| ![":__heartbeats__", ":@rust", ":@beats"].contains(&key.as_str()));
        keys.sort();
        keys
    }

    /// As Python stores a message, without any script.
    pub(crate) async fn python_sends(&self, queue: &str, id: &str, body: &[u8]) {
        let mut pipe = redis::pipe();
        pipe.cmd("HSET").arg(format!("{}:{queue}.msgs", self.namespace)).arg(id).arg(body);
        pipe.cmd("RPUSH").arg(format!("{}:{queue}", self.namespace)).arg(id);
        self.pipe(&pipe).await;
    }

    /// As a Python worker takes a message.
    pub(crate) async fn python_fetches(&self, worker: &str, queue: &str) -> String {
        let now = self.now().to_string();
        let _: i64 = self.redis(&["ZADD", ":__heartbeats__", &now, worker]).await;
        let id: String = self.redis(&["LPOP", &format!(":{queue}")]).await;
        let _: i64 = self.redis(&["SADD", &format!(":__acks__.{worker}.{queue}"), &id]).await;
        id
    }

    /// Python's upkeep of one queue for one worker that it takes for dead.
    pub(crate) async fn python_buries(&self, worker: &str, queue: &str) {
        let acks = format!(":__acks__.{worker}.{queue}");
        let ids: Vec<String> = self.redis(&["SMEMBERS", &acks]).await;
        for id in ids {
            let _: i64 = self.redis(&["RPUSH", &format!(":{queue}"), &id]).await;
        }
        let _: i64 = self.redis(&["DEL", &acks]).await;
        let _: i64 = self.redis(&["ZREM", ":__heartbeats__", worker]).await;
    }

    pub(crate) async fn register(&self, queues: &[&str]) -> Registration {
        let queues: Vec<QueueName> = queues.iter().copied().map(QueueName::canonical).collect();
        self.store.register(&queues).await.unwrap()
    }

    pub(crate) async fn fetch(&self, registration: &Registration, count: usize) -> Vec<Delivery> {
        fetch(&self.store, registration, count).await
    }

    pub(crate) async fn finish(
        &self,
        registration: &Registration,
        claim: &Claim,
        disposition: Disposition,
    ) -> Finished {
        let completion = completion(claim, disposition);
        self.store.finish(registration, &[completion]).await.unwrap().remove(0)
    }

    /// Records that a worker is about to run something; it has to hold it.
    pub(crate) async fn start(&self, registration: &Registration, claim: &Claim) {
        assert_eq!(self.store.start(registration, std::slice::from_ref(claim)).await.unwrap(), [true]);
    }

    pub(crate) async fn beat(&self, registration: &Registration, held: &[Claim]) -> Beat {
        self.store.beat(registration, held, &[]).await.unwrap()
    }

    /// Lets beats pass, all on time.
    pub(crate) async fn beats(&self, registration: &Registration, held: &[Claim], count: usize) -> usize {
        let mut moved = 0;
        for _ in 0..count {
            self.clock.advance(BEAT_INTERVAL);
            moved += self.beat(registration, held).await.moved;
        }
        moved
    }

    pub(crate) async fn enqueue(&self, messages: &[Message]) {
        self.store.enqueue(messages).await.unwrap();
    }

    /// The one message that is found under an id.
    pub(crate) async fn find(&self, id: &str) -> MessageInfo {
        let mut found = self.store.find(id, 0).await.unwrap();
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        found.remove(0)
    }

    /// Ready, delayed, claimed, dead.
    pub(crate) async fn counts(&self, queue: &str) -> (usize, usize, usize, usize) {
        let counts = self.store.counts(&QueueName::canonical(queue)).await.unwrap();
        (counts.ready, counts.delayed, counts.claimed, counts.dead)
    }

    /// Cancels what lies under a name of the queue `default`.
    pub(crate) async fn cancel(&self, name: &str) -> Option<Cancelled> {
        self.store.cancel(&QueueName::default(), name, WHY).await.unwrap()
    }

    /// The reasons of the dead letters of the queue `default`, by name.
    pub(crate) async fn letters(&self) -> Vec<(String, String)> {
        let mut letters = self.store.dead_letters(&QueueName::default(), 0, 99).await.unwrap();
        letters.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        letters.into_iter().map(|letter| (letter.id, letter.reason.unwrap_or_default())).collect()
    }

    /// Puts a message back into its worker's hands, whatever became of it.
    pub(crate) async fn restore(&self, delivery: &Delivery, registration: &Registration) {
        for key in self.keys().await {
            let _: i64 = self.redis(&["DEL", &key]).await;
        }
        let body = String::from_utf8(delivered(delivery).encode()).unwrap();
        let _: i64 = self.redis(&["HSET", ":default.msgs", &delivery.claim.id, &body]).await;
        let acks = format!(":__acks__.{}.default", registration.worker.as_str());
        let _: i64 = self.redis(&["SADD", &acks, &delivery.claim.id]).await;
    }

    /// The virtual worker of a queue, as it is registered.
    pub(crate) async fn fleet(&self, queue: &str) -> String {
        let all: Vec<(String, String)> = self.redis(&["HGETALL", ":@rust"]).await;
        all.into_iter().find(|(_, queues)| *queues == format!("@{queue}")).unwrap().0
    }

    pub(crate) fn later(&self, seconds: u64) -> Timestamp {
        self.clock.now() + Duration::from_secs(seconds)
    }
}

pub(crate) async fn fetch(store: &RedisStore, registration: &Registration, count: usize) -> Vec<Delivery> {
    let requests: Vec<FetchRequest> =
        registration.queues.iter().map(|queue| FetchRequest { queue: queue.clone(), count, before: None }).collect();
    store.fetch(registration, &requests, usize::MAX).await.unwrap().deliveries
}

pub(crate) fn completion(claim: &Claim, disposition: Disposition) -> Completion {
    Completion { claim: claim.clone(), disposition, effects: Vec::<Effect>::new() }
}

/// A message with one argument.
pub(crate) fn message(queue: &str, argument: i64) -> Message {
    Message::new(QueueName::canonical(queue), "count_to", [Raw::from(argument)], Timestamp::from_millis(NOON))
}

pub(crate) fn with_option(mut message: Message, key: &str, value: i64) -> Message {
    message.options.set(key, Raw::from(value));
    message
}

pub(crate) fn delayed(queue: &str, argument: i64, eta: Timestamp) -> Message {
    let mut message = message(queue, argument);
    message.set_eta(Some(eta));
    message
}

/// The arguments of what was delivered.
pub(crate) fn arguments(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.body.as_ref().unwrap().args[0].read().unwrap()).collect()
}

pub(crate) fn claims(deliveries: &[Delivery]) -> Vec<Claim> {
    deliveries.iter().map(|delivery| delivery.claim.clone()).collect()
}

pub(crate) fn delivered(delivery: &Delivery) -> Message {
    delivery.body.clone().unwrap()
}

pub(crate) fn body_in(queue: &str, id: &str, options: &str) -> String {
    format!(
        r#"{{"queue_name":"{queue}","actor_name":"count_to","args":[7],"kwargs":{{}},"options":{{"redis_message_id":"{id}"{options}}},"message_id":"m-{id}","message_timestamp":1795485700331}}"#
    )
}
