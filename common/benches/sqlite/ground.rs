//! What all measurements stand on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::Clock;
use common::message::{Message, MessageId};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::Worker;
use tokio::sync::Notify;

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The first argument of a worker in a process of its own.
pub(crate) const WORK: &str = "work";

/// Longer than anything here takes: what is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured where.
#[derive(Debug)]
pub(crate) struct Setup {
    /// A round's messages.
    pub(crate) messages: usize,
    /// Whether each commit waits for the disk.
    pub(crate) full: bool,
    /// How many workers are killed.
    pub(crate) kills: usize,
    /// Where the files go.
    pub(crate) folder: PathBuf,
}

/// A folder with a file that nobody else uses; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    full: bool,
}

impl Place {
    pub(crate) fn new(setup: &Setup) -> Result<Self, Failed> {
        let folder = setup.folder.join(format!("bench-{}", MessageId::random().short()));
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, full: setup.full })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("tasks.db")
    }

    pub(crate) fn url(&self) -> String {
        let option = if self.full { "?synchronous=full" } else { "" };
        format!("sqlite:{}{option}", self.file().display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What the actor reports to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    executed: AtomicU64,
    /// How many are expected in this round.
    expected: AtomicU64,
    done: Notify,
}

impl Tally {
    pub(crate) fn expecting(count: usize) -> Arc<Self> {
        let tally = Self::default();
        tally.expect(count);
        Arc::new(tally)
    }

    /// Expects so many in all.
    pub(crate) fn expect(&self, count: usize) {
        self.expected.store(count as u64, Ordering::Relaxed);
    }

    fn add(&self) {
        if self.executed.fetch_add(1, Ordering::Relaxed) + 1 == self.expected.load(Ordering::Relaxed) {
            self.done.notify_one();
        }
    }

    /// Waits for the last one that is expected.
    pub(crate) async fn done(&self) -> Result<(), Failed> {
        let counts = || (self.executed.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed));
        let _ = tokio::time::timeout(PATIENCE, self.done.notified()).await;
        let (executed, expected) = counts();
        if executed == expected {
            Ok(())
        } else {
            Err(format!("{executed} of {expected} messages were executed").into())
        }
    }
}

#[actor]
pub(crate) fn no_op(tally: &Arc<Tally>) {
    tally.add();
}

pub(crate) fn messages_of(count: usize, clock: &Clock) -> Result<Vec<Message>, Failed> {
    (0..count).map(|_| no_op::message().message(clock.now()).map_err(Failed::from)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages lie far below 2^52")]
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Checks that everything was acknowledged.
pub(crate) async fn empty(broker: &Broker) -> Result<(), Failed> {
    let counts = broker.counts(&QueueName::default()).await?;
    if counts == Counts::default() {
        Ok(())
    } else {
        Err(format!("not everything was acknowledged: {counts:?}").into())
    }
}

/// This program once more, as a worker in a process of its own; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts one, and waits until it is about to fetch for the first time.
    pub(crate) fn start(url: &str) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.args([WORK, url]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("a child without an output")?;
        let child = Self(process);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.is_empty() { Err("a child did not get ready".into()) } else { Ok(child) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a child does, until its parent ends it or is gone.
pub(crate) async fn work(url: &str) -> Result<(), Failed> {
    let worker = Worker::new(Broker::connect(url).await?).actors(actors![no_op, answer]).state(Tally::expecting(0));
    let stopper = worker.stopper();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopper.stop_now();
    });
    worker.on_ready(|| println!("ready")).run().await?;
    Ok(())
}

/// Returns when it was started: microseconds since the epoch, by the clock that all processes of a machine share.
#[actor(store_results = true)]
pub(crate) fn answer() -> u64 {
    micros()
}

#[expect(clippy::disallowed_methods, reason = "two processes are compared, by the machine's clock")]
pub(crate) fn micros() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
