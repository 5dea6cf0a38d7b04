//! The threads that hold the connections.
//!
//! One writes, one looks. Calls that wait for the writer are committed together: each is a savepoint of its own, so one that
//! is refused does not touch its neighbours, and one commit serves them all. A call that was handed over runs to its end,
//! whether or not anybody waits for it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::bell::Bell;
use super::database::{self, BUSY_TIMEOUT, beside};
use super::trouble::{Trouble, told};
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// How many calls one commit serves at most.
const MOST_TOGETHER: usize = 256;

/// After so long without a call, a long log is worked into the database.
const IDLE: Duration = Duration::from_millis(300);

/// A log that is longer than this, in bytes, is cut off when there is nothing else to do.
const LONG_LOG: u64 = 4 << 20;

/// A log that is longer than this, in bytes, is worth a warning: somebody looks for too long.
const TOO_LONG_LOG: u64 = 64 << 20;

/// What runs inside of a transaction.
trait Work: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), Trouble>;
    /// The transaction is over.
    fn end(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<T, F> {
    work: F,
    /// What the work came to, until it is committed.
    done: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Trouble> + Send> Work for Call<T, F> {
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
        let mut writer = Writer { connection, queue, files, bell, warned: false };
        thread::Builder::new().name("sqlite".to_owned()).spawn(move || writer.serve())?;
        Ok(Self(calls))
    }

    /// A desk that looks.
    pub(super) fn looking(connection: Connection) -> std::io::Result<Self> {
        let (calls, queue) = channel::<Box<dyn Work>>();
        let serve = move || {
            for mut call in queue {
                let ran = call.run(&connection);
                call.end(ran.map_err(StoreError::from));
            }
        };
        thread::Builder::new().name("sqlite-look".to_owned()).spawn(serve)?;
        Ok(Self(calls))
    }

    /// Runs `work` there and waits for it. It may run more than once, but only one run is committed.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Trouble> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let gone = || StoreError::Refused("the thread of the database has ended".to_owned());
        self.0.send(Box::new(Call { work, done: None, answer })).map_err(|_| gone())?;
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
                    let mut calls = vec![first];
                    calls.extend(self.queue.try_iter().take(MOST_TOGETHER - 1));
                    self.commit(calls);
                    is_tidy = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.shorten_log();
                    is_tidy = true;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Runs calls in one transaction; those that it fails are tried once more, each in its own.
    fn commit(&mut self, calls: Vec<Box<dyn Work>>) {
        if let Err(error) = self.files.check() {
            return refuse(calls, &error);
        }
        let alone = calls.len() == 1;
        match self.transact(calls) {
            Ok(()) => {}
            // Where the file is locked, each by itself would wait as long once more.
            Err((calls, error)) if alone || matches!(error, StoreError::Busy(_)) => refuse(calls, &error),
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

    /// Works a long log into the database, and cuts it off.
    fn shorten_log(&mut self) {
        let log = beside(&self.files.path, "-wal");
        let length = || fs::metadata(&log).map_or(0, |log| log.len());
        if length() < LONG_LOG {
            return;
        }
        // Without waiting for whoever reads: calls may come meanwhile.
        let cut = || {
            self.connection.busy_timeout(Duration::ZERO)?;
            let cut = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            self.connection.busy_timeout(BUSY_TIMEOUT)?;
            cut
        };
        if let Err(error) = cut() {
            tracing::debug!(target: "common::broker", "the log of {} was not cut off: {error}", self.files.path.display());
        }
        let is_too_long = length() > TOO_LONG_LOG;
        if is_too_long && !self.warned {
            tracing::warn!(
                target: "common::broker",
                "the log {} has grown to {} MiB: some process reads the database for a long time",
                log.display(),
                length() >> 20
            );
        }
        self.warned = is_too_long;
    }
}

/// Ends calls of which nothing happened.
fn refuse(calls: Vec<Box<dyn Work>>, error: &StoreError) {
    for call in calls {
        call.end(Err(error.clone()));
    }
}

/// The files that were opened, so that it is noticed when others lie in their place.
struct Files {
    path: PathBuf,
    /// Path, device and inode of each.
    known: Vec<(PathBuf, u64, u64)>,
    /// What was found wrong; it does not get better.
    lost: Option<StoreError>,
}

impl Files {
    fn new(path: &Path) -> Self {
        let files = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")];
        let known = files.into_iter().filter_map(|file| {
            let found = fs::metadata(&file).ok()?;
            Some((file, found.dev(), found.ino()))
        });
        Self { path: path.to_owned(), known: known.collect(), lost: None }
    }

    /// Nothing is written to a file that nobody else can see.
    fn check(&mut self) -> Result<(), StoreError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let is_same = |file: &Path, dev, ino| fs::metadata(file).is_ok_and(|now| now.dev() == dev && now.ino() == ino);
        let Some((file, ..)) = self.known.iter().find(|(file, dev, ino)| !is_same(file, *dev, *ino)) else {
            return Ok(());
        };
        let lost = StoreError::Refused(format!(
            "{} was moved, replaced or deleted while it was open: put it back, and start this process again",
            file.display()
        ));
        tracing::error!(target: "common::broker", "{lost}");
        self.lost = Some(lost.clone());
        Err(lost)
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
    let looking = Desk::looking(database::open_to_look(path)?).map_err(no_thread)?;
    let writing = Desk::writing(connection, path, bell.clone()).map_err(no_thread)?;
    Ok((writing, looking))
}
