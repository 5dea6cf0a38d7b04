//! The threads that hold the connections.
//!
//! One writes, one looks. Calls that wait for the writer are committed together: each is a savepoint of its own, so one that
//! is refused does not touch its neighbours, and one commit serves them all. A call that was handed over runs to its end,
//! whether or not anybody waits for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::bell::Bell;
use super::database::{self, beside};
use super::files::Files;
use super::trouble::{Trouble, told};
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// How many calls one commit serves at most, and how many rows these may touch together: others wait for the lock meanwhile.
const MOST_TOGETHER: usize = 256;
const MOST_ROWS: usize = 1_000;

/// After so long without a call, a long log is worked into the database.
const IDLE: Duration = Duration::from_millis(300);

/// A log that is longer than this, in bytes, is cut off when there is nothing else to do.
const LONG_LOG: u64 = 4 << 20;

/// A log that is longer than this, in bytes, is worth a warning: somebody looks for too long.
const TOO_LONG_LOG: u64 = 64 << 20;

/// What runs inside of a transaction.
trait Work: Send {
    /// About how many rows it touches.
    fn rows(&self) -> usize;
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble>;
    /// The transaction is over.
    fn end(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<T, F> {
    rows: usize,
    work: F,
    /// What the work came to, until it is committed.
    done: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Trouble> + Send> Work for Call<T, F> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, connection: &Connection) -> Result<(), Trouble> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { done, answer, .. } = *self;
        let done = committed.and_then(|()| done.ok_or_else(|| StoreError::Refused("it never ran".to_owned())));
        // Nobody may wait for it any more.
        let _ = answer.send(done);
    }
}

/// A connection on a thread of its own; the thread ends when this is dropped.
pub(super) struct Desk(Sender<Box<dyn Work>>);

impl Desk {
    /// A desk that writes.
    pub(super) fn writing(connection: Connection, path: &Path, bell: Bell) -> std::io::Result<Self> {
        let (calls, queue) = channel();
        let files = Files::new(path);
        let mut writer = Writer { connection, queue, files, bell, warned: false, patience: TOO_LONG_LOG };
        thread::Builder::new().name("sqlite".to_owned()).spawn(move || writer.serve())?;
        Ok(Self(calls))
    }

    /// A desk that looks; each call sees one moment, however many statements it takes.
    pub(super) fn looking(connection: Connection, path: &Path) -> std::io::Result<Self> {
        let (calls, queue) = channel::<Box<dyn Work>>();
        let mut files = Files::new(path);
        let serve = move || {
            for mut call in queue {
                let looked = files.check().and_then(|()| {
                    let moment = connection.unchecked_transaction().map_err(|error| told(&error))?;
                    Ok(call.run(&moment)?)
                });
                call.end(looked);
            }
        };
        thread::Builder::new().name("sqlite-look".to_owned()).spawn(serve)?;
        Ok(Self(calls))
    }

    /// Runs `work`, which touches about so many rows, there and waits for it. It may run more than once, but only one run is
    /// committed.
    pub(super) async fn run<T, F>(&self, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Trouble> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let gone = || StoreError::Refused("the thread of the database has ended".to_owned());
        self.0.send(Box::new(Call { rows, work, done: None, answer })).map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

struct Writer {
    connection: Connection,
    queue: Receiver<Box<dyn Work>>,
    files: Files,
    bell: Bell,
    /// Whether the log was found too long.
    warned: bool,
    /// How long the log may become, in bytes, before it is shortened amid other work.
    patience: u64,
}

impl Writer {
    fn serve(&mut self) {
        let mut is_tidy = true;
        loop {
            let first = if is_tidy {
                self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.queue.recv_timeout(IDLE)
            };
            match first {
                Ok(first) => {
                    let (mut rows, mut calls) = (first.rows(), vec![first]);
                    while rows < MOST_ROWS && calls.len() < MOST_TOGETHER {
                        let Ok(next) = self.queue.try_recv() else { break };
                        rows += next.rows();
                        calls.push(next);
                    }
                    self.commit(calls);
                    self.watch_log();
                    is_tidy = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.shorten_log();
                    self.patience = TOO_LONG_LOG;
                    is_tidy = true;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Runs calls in one transaction; those that it fails are tried once more, each in its own.
    fn commit(&mut self, calls: Vec<Box<dyn Work>>) {
        let was_lost = self.files.lost.is_some();
        if let Err(error) = self.files.check() {
            if !was_lost {
                tracing::error!(target: "common::broker", "{error}");
            }
            return refuse(calls, &error);
        }
        let alone = calls.len() == 1;
        match self.transact(calls) {
            Ok(()) => {}
            // Where the file is locked, each by itself would wait as long once more; where it is damaged, none may try.
            Err((calls, error)) if alone || matches!(error, StoreError::Busy(_)) || self.files.lost.is_some() => {
                refuse(calls, &error);
            }
            Err((calls, _)) => {
                for call in calls {
                    if let Err((call, error)) = self.transact(vec![call]) {
                        refuse(call, &error);
                    }
                }
            }
        }
    }

    /// One transaction. Gives back the calls that have not ended by it.
    fn transact(&mut self, calls: Vec<Box<dyn Work>>) -> Result<(), (Vec<Box<dyn Work>>, StoreError)> {
        let watch = Stopwatch::start();
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let error = match told(&error) {
                StoreError::Busy(_) => StoreError::Busy(format!(
                    "another process has held the write lock of {} for {:.1} s; is it stopped?",
                    self.files.path.display(),
                    watch.elapsed().as_secs_f64()
                )),
                other => other,
            };
            return Err((calls, error));
        }
        let (mut ran, mut refused) = (Vec::new(), Vec::new());
        let mut calls = calls.into_iter();
        let mut broken = None;
        for mut call in calls.by_ref() {
            match self.attempt(&mut *call) {
                Ok(()) => ran.push(call),
                // SQLite has rolled back everything by itself.
                Err(trouble) if self.connection.is_autocommit() => {
                    ran.push(call);
                    broken = Some(StoreError::from(trouble));
                    break;
                }
                // Nothing more is written to a file that is damaged.
                Err(trouble) if trouble.is_damage() => {
                    let error = StoreError::from(trouble);
                    self.files.lost = Some(error.clone());
                    ran.push(call);
                    broken = Some(error);
                    break;
                }
                Err(trouble) => refused.push((call, StoreError::from(trouble))),
            }
        }
        let broken = broken.or_else(|| self.connection.execute_batch("COMMIT").err().map(|error| told(&error)));
        for (call, error) in refused {
            call.end(Err(error));
        }
        if let Some(error) = broken {
            if !self.connection.is_autocommit() {
                // If even that fails, the next beginning says why.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            ran.extend(calls);
            return Err((ran, error));
        }
        self.bell.ring_if_asked();
        for call in ran {
            call.end(Ok(()));
        }
        Ok(())
    }

    /// Runs one call as a whole or not at all.
    fn attempt(&self, call: &mut dyn Work) -> Result<(), Trouble> {
        self.connection.prepare_cached("SAVEPOINT call")?.execute([])?;
        let ran = call.run(&self.connection);
        if ran.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK TO call; RELEASE call")?;
        } else if ran.is_ok() {
            self.connection.prepare_cached("RELEASE call")?.execute([])?;
        }
        ran
    }

    /// Shortens a log that is too long even though there is always something else to do; each time in vain, it waits for twice as
    /// long a log.
    fn watch_log(&mut self) {
        let length = self.files.log_length();
        if length > self.patience {
            self.shorten_log();
            self.patience = length.saturating_mul(2);
        } else if length < LONG_LOG {
            self.patience = TOO_LONG_LOG;
        }
    }

    /// Works a long log into the database, and cuts it off.
    fn shorten_log(&mut self) {
        if self.files.log_length() < LONG_LOG {
            return;
        }
        if let Err(error) = self.cut_log_off() {
            tracing::debug!(target: "common::broker", "the log of {} was not cut off: {error}", self.files.path.display());
        }
        let length = self.files.log_length();
        let is_too_long = length > TOO_LONG_LOG;
        if is_too_long && !self.warned {
            tracing::warn!(
                target: "common::broker",
                "the log {} has grown to {} MiB: some process reads the database for a long time",
                beside(&self.files.path, "-wal").display(),
                length >> 20
            );
        }
        self.warned = is_too_long;
    }

    /// Waits for no reader: it would have the write lock meanwhile.
    fn cut_log_off(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let cut_off = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(database::BUSY_TIMEOUT)?;
        cut_off
    }
}

/// Ends calls of which nothing happened.
fn refuse(calls: Vec<Box<dyn Work>>, error: &StoreError) {
    for call in calls {
        call.end(Err(error.clone()));
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Opens both connections, and their desks.
pub(super) fn desks(path: &Path, synchronous: database::Synchronous, bell: &Bell) -> Result<(Desk, Desk), StoreError> {
    let no_thread = |error: std::io::Error| StoreError::Refused(format!("no thread for the database: {error}"));
    let connection = database::open(path, synchronous)?;
    let looking = Desk::looking(database::open_to_look(path)?, path).map_err(no_thread)?;
    let writing = Desk::writing(connection, path, bell.clone()).map_err(no_thread)?;
    Ok((writing, looking))
}

#[cfg(test)]
mod tests;
