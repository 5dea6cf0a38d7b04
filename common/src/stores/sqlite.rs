//! The store in a SQLite file: several processes on one machine, and no service to install.
//!
//! Whoever names the same file shares its queues, as sender or worker. A message is one row from its enqueueing to its end, so
//! every move is the change of a row, and an end with all that it brings about is one transaction.
//!
//! | file | content |
//! | --- | --- |
//! | `PATH` | the database: tables in `schema.rs` |
//! | `PATH-wal`, `PATH-shm` | SQLite's own: the log of the last transactions |
//! | `PATH.bell` | rung for those who wait (`bell.rs`); it holds nothing |
//!
//! # What is safe
//!
//! The death of a process, at any point, loses nothing and leaves no half of anything. A power cut loses nothing either with
//! `?synchronous=full`, where each commit waits for the disk; by default (`normal`) it may take the last commits with it, and
//! never damages the file. A file that is damaged, foreign or newer is refused, and left as it is.
//!
//! The file has to lie on a local disk: SQLite cannot lock a network file system. It may be reached through symbolic links, which
//! are followed once: whoever names the link and whoever names the file share all of it. A link that leads elsewhere while it is
//! in use is noticed, as a file is that was replaced. A file with several names of its own (hard links) is refused: SQLite
//! would keep a log for each.
//!
//! # How it works
//!
//! One connection writes, on a thread of its own (`writer.rs`), and another one looks; SQLite lets readers and one writer work
//! side by side. Each write begins as one (`BEGIN IMMEDIATE`), so it waits for its turn and is never refused halfway; beats go
//! before everything else (`writer/line.rs`).
//!
//! Time is the machine's, which all processes share, and which goes on while none of them runs: whoever sets the machine's clock
//! moves what is delayed, and it comes earlier or later by as much. Who is dead is judged by reading, as on Redis: that takes
//! no clock but our own, and leaves out the time in which beats had to wait for somebody's write.

mod admin;
mod apart;
mod beat;
mod bell;
mod connection_thread;
mod database;
mod enqueue;
mod error;
mod fetch;
mod files;
mod finish;
mod groups;
mod inspect;
mod limiters;
mod look;
mod moves;
mod posted;
mod queries;
mod schema;
mod start;
mod unended;
mod wait;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rusqlite::Connection;

use self::beat::Upkeep;
use self::bell::Bell;
use self::connection_thread::{ConnectionThread, connection_threads};
pub use self::database::Synchronous;
use self::error::TxError;
use self::files::Place;
use self::posted::Rank;
use crate::clock::{Clock, Timestamp};
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Beat, Boxed, Cancelled, Claim, Completion, Count, Counted, Counts, DeadLetter, FetchRequest, Fetched, Finished,
    GroupInfo, Inspect, Kept, Limiters, Look, Looked, MessageInfo, NewGroup, QueueInfo, Registration, Store, Unended,
    Wake, WorkerId, WorkerInfo,
};
use crate::stores::shared::registered::Registered;
use crate::stores::shared::seats::Seats;
use crate::stores::shared::shares::Turns;

/// How often whoever waits looks by himself, should the bell be lost.
const SAFETY_LOOK: Duration = Duration::from_secs(2);

/// A namespace in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    namespace: Arc<str>,
    clock: Clock,
    writing: ConnectionThread,
    reading: ConnectionThread,
    bell: Bell,
    registered: Registered<Upkeep>,
    turns: Turns,
    /// Who of those who share this store and wait listens.
    seats: Seats,
    /// How long the last look for news took, in microseconds.
    look_took: AtomicU64,
}

impl SqliteStore {
    /// Opens the file, and makes it where there is none; its folder has to be there. Blocks the thread: the whole file is read,
    /// to find damage before anything is written, which took 0.16 s for 200,000 waiting messages (55 MB).
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file may not be opened or written, is damaged, foreign, or of a newer version; it is left as it
    /// is then.
    pub fn open(path: &Path, synchronous: Synchronous, namespace: &str, clock: Clock) -> Result<Self, StoreError> {
        let place = Place::find(path)?;
        let path = place.path.clone();
        let bell = Bell::new(&path);
        let (writing, reading) = connection_threads(&place, synchronous, &bell)?;
        bell.repair();
        Ok(Self {
            path,
            namespace: namespace.into(),
            clock,
            writing,
            reading,
            bell,
            registered: Registered::default(),
            turns: Turns::default(),
            seats: Seats::default(),
            look_took: AtomicU64::default(),
        })
    }

    /// Runs `work` inside of a transaction.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_rows(1, work).await
    }

    /// The same for work that touches about so many rows.
    async fn write_rows<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writing.run(Rank::Other, rows, work).await
    }

    /// The same for work that may turn out to have nothing to write: `glance` tells what it comes to then.
    async fn write_unless<T: Send + 'static>(
        &self,
        rows: usize,
        glance: impl FnMut(&Connection) -> Result<Option<T>, TxError> + Send + 'static,
        work: impl FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writing.run_unless(Rank::Other, rows, glance, work).await
    }

    /// Runs `work`, which is part of a beat, before everything else that waits.
    async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writing.run(Rank::Beat, 1, work).await
    }

    /// Runs `read` on the connection that does not write.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reading.run(Rank::Other, 0, read).await
    }

    /// What a worker's beats have seen.
    fn with_upkeep<T>(&self, worker: &WorkerId, see: impl FnOnce(&mut Upkeep) -> T) -> T {
        self.registered.with(worker, see)
    }
}

impl Store for SqliteStore {
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
        Box::pin(finish::run(self, registration, completions))
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

impl Inspect for SqliteStore {
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueInfo>, StoreError>> {
        Box::pin(inspect::queues(self, after, limit))
    }

    fn queue<'a>(&'a self, name: &'a QueueName) -> Boxed<'a, Result<Option<QueueInfo>, StoreError>> {
        Box::pin(inspect::queue(self, name))
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        Box::pin(inspect::counts(self, queue))
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerInfo>, StoreError>> {
        Box::pin(inspect::workers(self, after, limit))
    }

    fn find<'a>(&'a self, id: &'a str, _: usize) -> Boxed<'a, Result<Vec<MessageInfo>, StoreError>> {
        // Every message is known by its id here, so no body has to be looked into.
        Box::pin(inspect::find(self, id))
    }

    fn get<'a>(&'a self, claim: &'a Claim) -> Boxed<'a, Result<Option<MessageInfo>, StoreError>> {
        Box::pin(inspect::claim(self, claim))
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
        Box::pin(wait::stored(self, key))
    }

    fn group<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Option<GroupInfo>, StoreError>> {
        Box::pin(groups::info(self, name))
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
