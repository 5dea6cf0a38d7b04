//! A worker on a server of its own, and what a test sees of it from outside.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common::broker::Broker;
use common::call::Call;
use common::clock::{Clock, Stopwatch};
use common::error::EnqueueError;
use common::message::{Message, MessageId, Raw, option};
use common::queue_name::QueueName;
use common::store::{Counts, DeadLetter};
use common::worker::{Shutdown, Stopper, Worker};
use redis::FromRedisValue;
use tests::process::{PATIENCE, eventually_async};
use tests::redis::Server;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::listener;
use crate::work::{Board, WORK};

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) broker: Broker,
    pub(crate) board: Board,
    /// Its own, as lines in the log name no server but keys.
    pub(crate) namespace: String,
    redis: Mutex<redis::Connection>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(Server::start()).await
    }

    pub(crate) async fn on(server: Server) -> Self {
        listener::start();
        let namespace = format!("lab{}", server.port());
        let broker = open(&server.url(), &namespace).await;
        let redis = Mutex::new(server.connection());
        Self { server, broker, board: Board::new(), namespace, redis }
    }

    /// A worker that runs everything there is, on this rig's own broker.
    pub(crate) async fn worker(&self, threads: usize) -> Running {
        self.worker_on(&self.broker, threads).await
    }

    pub(crate) async fn worker_on(&self, broker: &Broker, threads: usize) -> Running {
        Running::start(self.plan(broker, threads)).await
    }

    /// The same, in which so many messages wait.
    pub(crate) async fn worker_with(&self, threads: usize, prefetch: usize) -> Running {
        Running::start(self.plan(&self.broker, threads).prefetch(prefetch)).await
    }

    fn plan(&self, broker: &Broker, threads: usize) -> Worker {
        Worker::new(broker.clone())
            .threads(threads)
            .actors(WORK)
            .state(self.board.clone())
            .unknown_actor_timeout(Duration::ZERO)
    }

    /// A command in words; `:` at the start of one stands for the namespace.
    pub(crate) fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_redis(words).unwrap()
    }

    pub(crate) fn try_redis<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            match word.strip_prefix(':') {
                Some(rest) => command.arg(format!("{}:{rest}", self.namespace)),
                None => command.arg(*word),
            };
        }
        command.query(&mut self.redis.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Connects anew, after the server has been away.
    pub(crate) fn reconnect(&self) {
        *self.redis.lock().unwrap_or_else(PoisonError::into_inner) = self.server.connection();
    }

    /// Puts bytes under an id into the default queue, as anybody with a Redis client can.
    pub(crate) fn put(&self, id: &str, body: &[u8]) {
        self.put_body(id, body);
        self.list(id);
    }

    pub(crate) fn put_body(&self, id: &str, body: &[u8]) {
        let mut redis = self.redis.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = format!("{}:default.msgs", self.namespace);
        redis::cmd("HSET").arg(hash).arg(id).arg(body).exec(&mut redis).unwrap();
    }

    pub(crate) fn list(&self, id: &str) {
        let _: i64 = self.redis(&["RPUSH", ":default", id]);
    }

    pub(crate) async fn send<A>(&self, call: Call<A>) -> Message {
        call.send(&self.broker).await.unwrap().into_message()
    }

    /// [`send_surely`], by this rig's own broker.
    pub(crate) async fn send_surely<A>(&self, call: Call<A>) -> usize {
        send_surely(&self.broker, call).await
    }

    /// The counts of both queues together, if the store tells them.
    pub(crate) async fn counts(&self) -> Option<Counts> {
        let first = self.broker.counts(&QueueName::default()).await.ok()?;
        let second = self.broker.counts(&QueueName::canonical("other")).await.ok()?;
        Some(Counts {
            ready: first.ready + second.ready,
            delayed: first.delayed + second.delayed,
            claimed: first.claimed + second.claimed,
            dead: first.dead + second.dead,
        })
    }

    /// Waits until nothing is left but so many dead letters.
    pub(crate) async fn settle(&self, dead: usize) {
        let left = Counts { dead, ..Counts::default() };
        let mut last = None;
        let settled = eventually_async(PATIENCE, async || {
            last = self.counts().await;
            (last == Some(left)).then_some(())
        });
        let is_settled = settled.await.is_some();
        assert!(is_settled, "{}: not settled but {last:?}, board {:?}", self.server.url(), self.board.all());
    }

    /// The size of one dead letter, and its reason. For large ones: they need not come here.
    pub(crate) fn letter(&self, id: &str) -> (usize, String) {
        (self.redis(&["HSTRLEN", ":default.XQ.msgs", id]), self.redis(&["HGET", ":default.XQ@why", id]))
    }

    pub(crate) async fn letters(&self) -> HashMap<String, DeadLetter> {
        let letters =
            eventually_async(PATIENCE, async || self.broker.dead_letters(&QueueName::default(), 0, 100).await.ok())
                .await;
        let letters = letters.expect("the dead letters");
        letters.into_iter().map(|letter| (letter.id.clone(), letter)).collect()
    }

    /// Where its lines in the log begin.
    pub(crate) fn address(&self) -> String {
        format!(":{}", self.server.port())
    }
}

/// Sends as a careful sender does: until it knows that the message is stored. Answers how often it did not know the outcome
/// and sent once more.
pub(crate) async fn send_surely<A>(broker: &Broker, call: Call<A>) -> usize {
    let (started, mut unknown) = (Stopwatch::start(), 0);
    while let Err(error) = call.send(broker).await {
        match error {
            EnqueueError::Unknown(_) => unknown += 1,
            EnqueueError::NotStored { stored: 0, .. } => {}
            error => panic!("{error}"),
        }
        assert!(started.elapsed() < PATIENCE, "not stored within {PATIENCE:?}");
        tokio::task::yield_now().await;
    }
    unknown
}

pub(crate) async fn open(url: &str, namespace: &str) -> Broker {
    Broker::builder().namespace(namespace).connect(url).await.expect("a private Redis")
}

pub(crate) struct Running {
    stopper: Stopper,
    run: JoinHandle<Shutdown>,
}

impl Running {
    pub(crate) async fn start(worker: Worker) -> Self {
        let (ready, mut started) = watch::channel(false);
        let worker = worker.on_ready(move || {
            ready.send_replace(true);
        });
        let stopper = worker.stopper();
        let run = tokio::spawn(async move { worker.run().await.expect("a worker without mistakes") });
        started.wait_for(|is_ready| *is_ready).await.expect("the worker gets ready");
        Self { stopper, run }
    }

    pub(crate) async fn stop(self) {
        assert!(!self.run.is_finished(), "the worker has ended by itself");
        self.stopper.stop();
        assert_eq!(self.run.await.expect("no panic"), Shutdown::Clean);
    }
}

/// The bytes of a message that somebody else wrote.
pub(crate) fn body(id: &str, actor: &str, args: &str) -> Vec<u8> {
    let mut message = Message::new(QueueName::default(), "ACTOR", [], Clock::system().now());
    message.message_id = MessageId::from(id);
    message.options.set(option::REDIS_MESSAGE_ID, Raw::from(id));
    let text = String::from_utf8(message.encode()).unwrap();
    text.replace("ACTOR", actor).replace(r#""args":[]"#, &format!(r#""args":{args}"#)).into_bytes()
}

/// How many cases run side by side: each has a broker, a worker and connections of its own, and a process may open no more than
/// 1,024 files where nobody has allowed it more.
const SIDE_BY_SIDE: usize = 16;

/// Runs all cases, some of them side by side, each in a runtime of its own. Their results come in the order of the cases.
pub(crate) fn each<C: Send, T: Send, F: Future<Output = T>>(
    cases: impl IntoIterator<Item = C>,
    run: impl Fn(C) -> F + Sync,
) -> Vec<T> {
    let cases: Vec<_> = cases.into_iter().enumerate().collect();
    let (cases, run) = (&Mutex::new(cases.into_iter()), &run);
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        std::iter::from_fn(next).map(|(number, case)| {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            (number, runtime.block_on(run(case)))
        })
    };
    let results: BTreeMap<usize, T> = thread::scope(|scope| {
        let working: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(|| work().collect::<Vec<(usize, T)>>())).collect();
        working.into_iter().flat_map(|work| work.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.into_values().collect()
}
