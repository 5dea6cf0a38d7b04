//! A database of one test's own, and who works on it.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use common::broker::Broker;
use common::error::{ConnectError, EnqueueError};
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{Counts, DeadLetter};
use rusqlite::Connection;
use tempfile::TempDir;
use tests::process::{self, PATIENCE, Process, eventually};
use tests::queue::message;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Rig {
    folder: TempDir,
    runtime: Runtime,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(folder: TempDir) -> Self {
        Self { folder, runtime: Builder::new_current_thread().enable_all().build().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tasks.db")
    }

    /// The database's file that has this suffix.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("tasks.db{suffix}"))
    }

    pub(crate) fn url(&self) -> String {
        url(&self.path())
    }

    pub(crate) fn open(&self) -> Broker {
        self.try_open(&self.path()).unwrap()
    }

    pub(crate) fn try_open(&self, path: &Path) -> Result<Broker, ConnectError> {
        self.runtime.block_on(Broker::connect(&url(path)))
    }

    pub(crate) fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Why the database cannot be opened; nothing in its file changes.
    pub(crate) fn refusal(&self) -> String {
        let before = fs::read(self.path()).unwrap();
        let error = self.try_open(&self.path()).unwrap_err().to_string();
        assert!(fs::read(self.path()).unwrap() == before, "the file was changed, with {error}");
        error
    }

    pub(crate) fn counts(&self, broker: &Broker) -> Counts {
        self.runtime.block_on(broker.counts(&QueueName::default())).unwrap()
    }

    pub(crate) fn dead_letters(&self, broker: &Broker) -> Vec<DeadLetter> {
        self.runtime.block_on(broker.dead_letters(&QueueName::default(), 0, 99)).unwrap()
    }

    /// Waits until nothing is left.
    pub(crate) fn settle(&self, broker: &Broker) {
        let seen = eventually(PATIENCE, || (self.counts(broker) == Counts::default()).then_some(()));
        assert!(seen.is_some(), "not empty, but {:?}", self.counts(broker));
    }

    /// Waits until the threads of a store that was dropped have let go of its files.
    pub(crate) fn wait_until_closed(&self) {
        let path = self.path();
        let is_its = |file: &Path| file.to_string_lossy().starts_with(&*path.to_string_lossy());
        let is_open = || {
            // One that is closed meanwhile has no name any more.
            let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
            files.into_iter().any(|file| is_its(&file))
        };
        assert!(eventually(PATIENCE, || (!is_open()).then_some(())).is_some(), "it stays open");
    }

    /// A connection of somebody who is not us.
    pub(crate) fn sqlite(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    pub(crate) fn assert_is_whole(&self) {
        assert_is_whole(&self.path());
    }

    /// An experiment, with its log.
    pub(crate) fn experiment(&self, args: &[&str]) -> Process {
        let url = self.url();
        let args = [args, &["--broker", &url]].concat();
        Process::start(&process::binary("e02_error_handling"), &args, &[])
    }

    /// An experiment's worker, which is ready.
    pub(crate) fn worker(&self) -> Process {
        let worker = self.experiment(&["worker"]);
        worker.wait_for_line("ready: ");
        worker
    }

    /// A worker without a log, which is ready.
    pub(crate) fn quiet_worker(&self) -> Process {
        let worker = self.quiet_worker_starting();
        worker.wait_for_line("ready");
        worker
    }

    /// One that is getting ready.
    pub(crate) fn quiet_worker_starting(&self) -> Process {
        peer(&["work", &self.url()])
    }

    /// A process that was stopped while it wrote.
    pub(crate) fn stopped_writer(&self) -> Process {
        let path = self.path();
        let writer = peer(&["lock", path.to_str().unwrap()]);
        writer.wait_for_line("locked");
        writer.suspend();
        writer
    }

    /// A sender of so many numbers.
    pub(crate) fn sender(&self, first: u32, count: u32, batch: u32) -> Process {
        let [first, count, batch] = [first, count, batch].map(|number| number.to_string());
        peer(&["send", &self.url(), &first, &count, &batch])
    }
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn peer(args: &[&str]) -> Process {
    Process::start(Path::new(env!("CARGO_BIN_EXE_peer")), args, &[])
}

/// SQLite itself finds nothing wrong.
pub(crate) fn assert_is_whole(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok", "{}", path.display());
}

/// What the processes of [`Rig::sender`] send.
pub(crate) fn begin(number: u32) -> Message {
    message("begin", [Raw::from(number)])
}

pub(crate) fn send(broker: &Broker, message: Message) -> Result<(), EnqueueError> {
    broker.enqueue_blocking(vec![message]).map(drop)
}

/// The numbers that a process has said after a word.
pub(crate) fn said(process: &Process, word: impl Display) -> Vec<u32> {
    let word = format!("{word} ");
    process.stdout().iter().filter_map(|line| line.strip_prefix(&word)?.parse().ok()).collect()
}
