//! A queue of one test's own, and workers in processes of their own on it, whose actors the test holds up and lets go.

use crate::experiment::{Experiment, write};
use common::{
    broker::Broker,
    clock::{Clock, Stopwatch, Timestamp},
    error::StoreError,
    message::{Message, Raw, option},
    queue_name::QueueName,
    store::{Counts, DeadLetter},
};
use std::{fs, path::PathBuf, sync::OnceLock, time::Duration};
use tempfile::TempDir;
use tests::{
    process::{PATIENCE, Process, eventually},
    queue::message,
    redis,
};
use tokio::runtime::{Builder, Runtime};

/// A queue, and what belongs to it.
pub(crate) struct Scene {
    pub(crate) url: String,
    pub(crate) namespace: String,
    /// For looks and sends of the test itself; opened at the server's own address.
    broker: Broker,
    runtime: Runtime,
    gates: TempDir,
}

impl Scene {
    /// On the tests' Redis.
    pub(crate) fn new() -> Self {
        Self::on(&redis::url())
    }

    /// On a Redis of the test's own.
    pub(crate) fn on(url: &str) -> Self {
        // Built before anything is measured.
        program();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let namespace = redis::namespace();
        let broker = runtime.block_on(Broker::builder().namespace(&namespace).connect(url)).unwrap();
        let gates = tempfile::tempdir().unwrap();
        Self { url: url.to_owned(), namespace, broker, runtime, gates }
    }

    /// Starts a worker, and waits until it is ready.
    pub(crate) fn worker(&self, threads: usize) -> Process {
        self.worker_at(&self.url, threads)
    }

    /// The same, by another address of the same Redis.
    pub(crate) fn worker_at(&self, url: &str, threads: usize) -> Process {
        let worker = self.start_worker(url, threads, 2 * threads);
        worker.wait_for_line("ready: ");
        worker
    }

    /// Starts a worker in which so many messages wait, and waits for nothing.
    pub(crate) fn start_worker(&self, url: &str, threads: usize, prefetch: usize) -> Process {
        let broker = format!("{url}?namespace={}", self.namespace);
        let (threads, prefetch) = (threads.to_string(), prefetch.to_string());
        let args = ["worker", "--threads", &threads, "--prefetch", &prefetch, "--broker", &broker];
        Process::start(program(), &args, &[])
    }

    pub(crate) fn send(&self, messages: impl IntoIterator<Item = Message>) {
        self.broker.enqueue_blocking(messages.into_iter().collect()).unwrap();
    }

    /// A message that runs until [`open`](Self::open) is called.
    pub(crate) fn hold(&self, gate: &str) -> Message {
        message("hold", [self.gate_argument(gate)])
    }

    /// The path of a gate, as an actor takes it.
    pub(crate) fn gate_argument(&self, gate: &str) -> Raw {
        Raw::from(self.gate(gate).display().to_string().as_str())
    }

    /// Lets end what waits at a gate.
    pub(crate) fn open(&self, gate: &str) {
        fs::write(self.gate(gate), "").unwrap();
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.gates.path().join(name)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.look().unwrap()
    }

    fn look(&self) -> Result<Counts, StoreError> {
        self.runtime.block_on(self.broker.counts(&QueueName::default()))
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.runtime.block_on(self.broker.dead_letters(&QueueName::default(), 0, 99)).unwrap()
    }

    /// Waits until the queue is as it should be.
    pub(crate) fn settle(&self, what: &str, settled: impl Fn(Counts) -> bool) {
        // On a busy machine a look may be cut off, and says nothing then.
        let seen = eventually(PATIENCE, || self.look().ok().filter(|counts| settled(*counts)));
        assert!(seen.is_some(), "{what}: not after {PATIENCE:?}, but {:?}", self.counts());
    }

    /// Waits until nothing is left but dead letters.
    pub(crate) fn settle_empty(&self) {
        self.settle("nothing is left", |Counts { ready, delayed, claimed, .. }| ready + delayed + claimed == 0);
    }

    /// Asks the Redis; `:` at the start of a word stands for the namespace.
    pub(crate) fn redis<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = ::redis::Client::open(&*self.url).and_then(|client| client.get_connection()).unwrap();
        let mut command = ::redis::Cmd::new();
        for word in words {
            match word.strip_prefix(':') {
                Some(rest) => command.arg(format!("{}:{rest}", self.namespace)),
                None => command.arg(*word),
            };
        }
        command.query(&mut connection).unwrap()
    }

    /// The name under which all Rust workers of the queue claim what only they can order.
    pub(crate) fn fleet(&self) -> String {
        let registered: Vec<(String, String)> = self.redis(&["HGETALL", ":@rust"]);
        registered.into_iter().find(|(_, queues)| queues == "@default").unwrap().0
    }

    /// The ids of all Rust workers that are registered.
    pub(crate) fn workers(&self) -> Vec<String> {
        let registered: Vec<(String, String)> = self.redis(&["HGETALL", ":@rust"]);
        // The others are no workers, but the name under which all of them claim what only they can order.
        registered.into_iter().filter(|(_, queues)| !queues.starts_with('@')).map(|(worker, _)| worker).collect()
    }
}

/// The program with the actors of `held.rs`.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = write("held", concat!(include_str!("held.rs"), include_str!("gate.rs")));
        Experiment::written("held", folder.path()).program
    })
}

pub(crate) fn note(number: u32) -> Message {
    message("note", [Raw::from(number)])
}

pub(crate) fn prioritised(mut message: Message, priority: i64) -> Message {
    message.options.set(option::PRIORITY, Raw::from(priority));
    message
}

pub(crate) fn delayed(mut message: Message, delay: Duration) -> Message {
    message.set_eta(Some(now() + delay));
    message
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// How many lines end so, as what an actor says does.
pub(crate) fn times(worker: &Process, said: &str) -> usize {
    worker.lines().iter().filter(|line| line.ends_with(said)).count()
}

/// Waits for what an actor says.
pub(crate) fn wait_for_end_of_line(worker: &Process, said: &str) {
    worker.wait_for(&format!("line that ends with `{said}`"), |line| line.ends_with(said));
}

/// Waits until so many lines have ended so.
pub(crate) fn wait_for_times(worker: &Process, said: &str, wanted: usize) {
    let seen = eventually(PATIENCE, || (times(worker, said) == wanted).then_some(()));
    assert!(seen.is_some(), "`{said}` should have been said {wanted} times\n{worker}");
}

/// Expects that so many lines have ended so, and no more: what a worker says may be read a moment after the store knows of it.
pub(crate) fn expect_times(worker: &Process, said: &str, wanted: usize) {
    let _ = eventually(PATIENCE, || (times(worker, said) >= wanted).then_some(()));
    assert_eq!(times(worker, said), wanted, "times `{said}` was said\n{worker}");
}

/// Says how long something took, for who runs the test with `--nocapture`.
#[expect(clippy::print_stderr, reason = "what was measured is worth a line")]
pub(crate) fn report(what: &str, since: Stopwatch) {
    eprintln!("{what}: {:.2} s", since.elapsed().as_secs_f64());
}

/// A redis-server's options by which it loses nothing that it has acknowledged.
pub(crate) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A worker's process ends, and well.
pub(crate) fn ends_well(worker: &Process) {
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
}
