//! The store on Redis: dramatiq's keys, ids and bytes, so that Python and Rust share everything, and beside them what only
//! Rust can order.
//!
//! | key (after the namespace) | type | content |
//! | --- | --- | --- |
//! | `:q` | list | ids of ready messages, the next one at its head |
//! | `:q.msgs` | hash | id → bytes, of all that is ready or claimed |
//! | `:q.DQ`, `:q.DQ.msgs` | list, hash | the same for delayed messages; here the list is only an inbox |
//! | `:q.XQ`, `:q.XQ.msgs` | sorted set, hash | dead letters: id → when it died, id → bytes |
//! | `:__acks__.W.q` | set | ids that worker W has claimed |
//! | `:__heartbeats__` | sorted set | worker → its last sign of life |
//! | `:q@held` | sorted set | *ours:* ready messages with a priority |
//! | `:q@due` | sorted set | *ours:* delayed messages by their time |
//! | `:q@crashes` | hash | *ours:* id → how many workers died while they ran it, `~` where the last death was not counted, and, behind spaces, the worker that has recorded that it runs it, and when; empty for what was spared once (`stores/shared/blame.rs`); for a while |
//! | `:q@cancelled` | hash | *ours:* id → why a message was cancelled that somebody holds; for a while |
//! | `:q.XQ@why` | hash | *ours:* why a dead letter died |
//! | `:q@unended` | set | *ours:* dead letters that no worker has ended, with hooks, callbacks and results: what died in the store |
//! | an MD5 sum, by itself | list of one | a stored result, for a while |
//! | others by themselves | | groups (`groups.rs`), and limits and barriers, whose keys their users name (`limiters.rs`) |
//! | `:@duty.G`, `:@idle.G` | sorted sets | *ours:* who of a large group of workers of the same queues listens for all, and who waits besides |
//! | `:@beats` | sorted set | *ours:* Rust workers alone → their last signs of life |
//! | `:@rust` | hash | *ours:* Rust workers, and all queues of each |
//! | `:@runs.W` | list of one | *ours:* what worker W runs for longer than a beat, and since when; for a minute |
//! | `:@done:ID` | list of one | *ours:* that a message is done, or has failed, where its sender asked for that |
//! | `:@waiting.W` | string | *ours:* the last beat of worker W that had something to wait, and ids by queue of what had not started then; for a minute |
//! | `:@started.W` | string | *ours:* when worker W last recorded a start; for an hour |
//! | `:@paused` | set | *ours:* queues that nothing is fetched from; Python's workers know of no pause |
//!
//! What lies in `@held` and `@due` is claimed by a virtual worker of each queue, the *fleet*, whose heartbeat every Rust
//! worker of the queue renews. While any of them lives, Python leaves these messages alone. The last of them that leaves hands
//! all of it back to the lists. Where the last one is killed instead, Python's own upkeep does that, in its own time: the order
//! is lost then, and nothing else.
//!
//! What waits for a worker that knows its actor is left to Python as well: while a worker of Python may be alive, it lies in the
//! list of the delay queue, under a name that says until when. dramatiq runs what it finds there without an eta at once.
//!
//! Python's workers compare the time of a heartbeat with their own clocks. One that is a minute ahead, or more, takes every worker for
//! dead that lives, again and again, and what those run is run twice; nothing on its wire hinders it. The first worker that sees such
//! a heartbeat names its owner and by how much it is ahead, once, as a warning. Rust's workers go by the server's clock alone.
//!
//! Every move is one script (`redis/lua`): isolated, but not rolled back by the server, so each step looks first and knows
//! how to take its writes back. A worker holds a message while its claim *and* the body are there. Nothing of a new body
//! ever goes under an id that is in use; only what was not run keeps id and bytes.
//!
//! Not here: hooks, retries, results. The store does not know why a message moves.

mod admin;
mod apart;
mod beat;
mod candidates;
mod connection;
mod duty;
mod enqueue;
mod error;
mod fetch;
mod find;
mod finish;
mod groups;
mod handover;
mod inspect;
mod keys;
mod limiters;
mod limits;
mod line;
mod log_once;
mod look;
mod record;
mod scan;
mod scripts;
mod server;
mod start;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod unended;
mod wait;
mod wait_stored;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use redis::FromRedisValue as _;

use self::beat::Upkeep;
use self::candidates::Candidates;
use self::connection::Link;
use self::fetch::ByteBudget;
use self::keys::Keys;
use self::log_once::LogOnce;
use self::scripts::{Call, Script, Scripts};
pub(crate) use self::server::Server;
use self::wait::Notifier;
use crate::clock::{Clock, Timestamp};
use crate::error::{ConnectError, EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Beat, Boxed, Cancelled, Claim, Completion, Count, Counted, Counts, DeadLetter, FetchRequest, Fetched, Finished,
    GroupInfo, Inspect, Kept, Limiters, Look, Looked, MessageInfo, NewGroup, QueueInfo, Registration, Store, Unended,
    Wake, WorkerId, WorkerInfo,
};
use crate::stores::shared::registered::Registered;
use crate::url::{BrokerUrl, Place, without_password};

/// A namespace on a Redis server.
pub struct RedisStore {
    keys: Keys,
    clock: Clock,
    scripts: Scripts,
    /// For all calls but those of `pulse`. Their answers may be large.
    link: Link,
    /// For beats and the starts of marked messages, which no large answer must hold up; made by the first of them.
    pulse: Link,
    /// Bytes that the next fetch may bring.
    byte_budget: ByteBudget,
    /// Hears what becomes ready, on a connection of its own.
    notifier: Notifier,
    registered: Registered<Upkeep>,
    /// Which of many queues are asked.
    candidates: Candidates,
    /// The queues that nothing can be fetched from.
    fetching: LogOnce,
    /// The steps of upkeep that are refused.
    upkeeping: LogOnce,
    /// The dead whose messages cannot be taken over.
    recovering: LogOnce,
    /// Those of Python's whose clocks were said to be wrong.
    wrong_clocks: Mutex<HashSet<String>>,
}

impl RedisStore {
    /// Connects to the server at `url`, which is one of [a Redis](crate::broker::Broker::connect). It may name a namespace; this
    /// one counts.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the URL is none, or nobody answers there; it shows no password.
    pub async fn connect(url: &str, namespace: &str, clock: Clock) -> Result<Self, ConnectError> {
        let wrong = |reason| ConnectError::Url { url: without_password(url), reason };
        match BrokerUrl::parse(url).map_err(wrong)?.place {
            Place::Redis(place) => Self::open(Server::new(&place).map_err(wrong)?, namespace, clock).await,
            _ => Err(wrong("it is none of a Redis".to_owned())),
        }
    }

    /// Connects to a server.
    pub(crate) async fn open(server: Server, namespace: &str, clock: Clock) -> Result<Self, ConnectError> {
        let server = Arc::new(server);
        let store = Self {
            keys: Keys::new(namespace),
            clock,
            scripts: Scripts::new(),
            link: Link::new(Arc::clone(&server)),
            pulse: Link::new(Arc::clone(&server)),
            byte_budget: ByteBudget::default(),
            notifier: Notifier::new(server),
            registered: Registered::default(),
            candidates: Candidates::default(),
            fetching: LogOnce::new("fetch from"),
            upkeeping: LogOnce::new("upkeep:"),
            recovering: LogOnce::new("take over from worker"),
            wrong_clocks: Mutex::default(),
        };
        let asked_at = store.clock.uptime();
        match store.time().await {
            Ok(now) => store.clock.follow(now, asked_at),
            Err(cause) => {
                return Err(ConnectError::Unreachable { url: store.address(), cause });
            }
        }
        Ok(store)
    }

    /// The server's own time.
    async fn time(&self) -> Result<Timestamp, StoreError> {
        let answer = self.link.call(&redis::cmd("TIME")).await?;
        let (seconds, micros) =
            <(i64, i64)>::from_redis_value(answer).map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(Timestamp::from_millis(seconds * 1_000 + micros / 1_000))
    }

    /// A call of a script, with namespace and time.
    fn script<'a>(&self, script: &'a Script) -> Call<'a> {
        let now = if self.clock.is_manual() { self.clock.now().to_string() } else { String::new() };
        Call::new(script, self.keys.namespace(), &now)
    }

    /// Runs `look` on what a worker's beats have seen.
    fn with_upkeep<T>(&self, worker: &WorkerId, look: impl FnOnce(&mut Upkeep) -> T) -> T {
        self.registered.with(worker, look)
    }
}

impl Store for RedisStore {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        Box::pin(enqueue::run(self, messages))
    }

    fn register<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Registration, StoreError>> {
        Box::pin(self.registered.register(queues, move |new| async move { beat::run(self, &new, &[], &[]).await }))
    }

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        Box::pin(fetch::run(self, registration, requests, limit))
    }

    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake> {
        Box::pin(wait::run(self, queues, due))
    }

    fn wait_for_priority<'a>(&'a self, queues: &'a [QueueName], before: i32) -> Boxed<'a, ()> {
        Box::pin(wait::for_priority(self, queues, before))
    }

    fn open_group<'a>(&'a self, group: &'a NewGroup) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(groups::open(self, group))
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        Box::pin(finish::run(self, &self.link, registration, completions))
    }

    fn start<'a>(
        &'a self,
        registration: &'a Registration,
        claims: &'a [Claim],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(start::run(self, registration, claims))
    }

    fn keep<'a>(&'a self, values: &'a [Kept]) -> Boxed<'a, Vec<Result<(), StoreError>>> {
        Box::pin(apart::keep(self, values))
    }

    fn count_members<'a>(&'a self, counts: &'a [Count]) -> Boxed<'a, Vec<Result<Counted, StoreError>>> {
        Box::pin(apart::count(self, counts))
    }

    fn unended<'a>(&'a self, queues: &'a [QueueName], limit: usize) -> Boxed<'a, Result<Vec<Unended>, StoreError>> {
        Box::pin(unended::run(self, queues, limit))
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(self.registered.beat(&registration.worker, beat::run(self, registration, held, waiting)))
    }

    fn deregister<'a>(&'a self, registration: &'a Registration) -> Boxed<'a, Result<(), StoreError>> {
        Box::pin(beat::deregister(self, registration))
    }

    fn limiters(&self) -> Option<&dyn Limiters> {
        Some(self)
    }
}

impl Inspect for RedisStore {
    fn queue<'a>(&'a self, name: &'a QueueName) -> Boxed<'a, Result<Option<QueueInfo>, StoreError>> {
        Box::pin(inspect::queue(self, name))
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        Box::pin(inspect::counts(self, queue))
    }

    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueInfo>, StoreError>> {
        Box::pin(inspect::queues(self, after, limit))
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerInfo>, StoreError>> {
        Box::pin(inspect::workers(self, after, limit))
    }

    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<MessageInfo>, StoreError>> {
        Box::pin(find::run(self, id, depth))
    }

    fn get<'a>(&'a self, claim: &'a Claim) -> Boxed<'a, Result<Option<MessageInfo>, StoreError>> {
        Box::pin(find::claim(self, claim))
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        skip: usize,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(inspect::dead_letters(self, queue, skip, limit))
    }

    fn requeue_dead<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(admin::requeue_dead(self, queue, letters))
    }

    fn delete<'a>(&'a self, queue: &'a QueueName, names: &'a [String]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(admin::delete(self, queue, names))
    }

    fn cancel<'a>(
        &'a self,
        queue: &'a QueueName,
        name: &'a str,
        reason: &'a str,
    ) -> Boxed<'a, Result<Option<Cancelled>, StoreError>> {
        Box::pin(admin::cancel(self, queue, name, reason))
    }

    fn pause<'a>(&'a self, queue: &'a QueueName, paused: bool) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(admin::pause(self, queue, paused))
    }

    fn purge<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<usize, StoreError>> {
        Box::pin(admin::purge(self, queue))
    }

    fn stored<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(inspect::stored(self, key))
    }

    fn stored_all<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(inspect::stored_all(self, keys))
    }

    fn look<'a>(&'a self, look: &'a Look) -> Boxed<'a, Result<Looked, StoreError>> {
        Box::pin(look::run(self, look))
    }

    fn forget<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Result<usize, StoreError>> {
        Box::pin(inspect::forget(self, keys))
    }

    fn wait_stored<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(wait_stored::run(self, key))
    }

    fn group<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Option<GroupInfo>, StoreError>> {
        Box::pin(groups::info(self, name))
    }

    fn address(&self) -> String {
        self.link.address().to_owned()
    }

    fn is_shared_with_python(&self) -> bool {
        true
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.link.address())
            .field("namespace", &self.keys.namespace())
            .field("member", &self.notifier.duty().member())
            .finish_non_exhaustive()
    }
}
