//! Handing calls to the threads that hold the connections, and waiting for them.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::bell::Bell;
use super::database::{self, Synchronous};
use super::error::{TxError, from_sqlite};
use super::files::{Files, Place};
use super::posted::{Posted, Rank, Waited, Work};
use super::writer::Writer;
use crate::clock::Stopwatch;
use crate::error::StoreError;

struct Call<T, F, G> {
    rows: usize,
    work: F,
    /// What it comes to where there is nothing to write.
    glance: G,
    /// What the work came to, until it is committed.
    done: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, G> Work for Call<T, F, G>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, TxError> + Send,
    G: FnMut(&Connection) -> Result<Option<T>, TxError> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, connection: &Connection) -> Result<(), TxError> {
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn is_void(&mut self, connection: &Connection) -> bool {
        // What is wrong is found again by whoever writes.
        self.done = (self.glance)(connection).unwrap_or_default();
        self.done.is_some()
    }

    fn end(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { done, answer, .. } = *self;
        let done = committed.and_then(|()| done.ok_or_else(|| StoreError::Refused("it never ran".to_owned())));
        // Nobody may wait for it any more.
        let _ = answer.send(done);
    }
}

/// A connection on a thread of its own; the thread ends when this is dropped.
pub(super) struct ConnectionThread {
    calls: Sender<Posted>,
    waited: Waited,
}

impl ConnectionThread {
    /// A thread that writes.
    pub(super) fn writing(connection: Connection, place: &Place, bell: Bell) -> std::io::Result<Self> {
        let (calls, queue) = channel();
        let waited = Waited::default();
        let mut writer = Writer::new(connection, queue, Files::new(place), bell, waited.clone());
        thread::Builder::new().name("sqlite".to_owned()).spawn(move || writer.serve())?;
        Ok(Self { calls, waited })
    }

    /// A thread that looks; each call sees one moment, however many statements it takes.
    pub(super) fn reading(connection: Connection, place: &Place) -> std::io::Result<Self> {
        let (calls, queue) = channel::<Posted>();
        let mut files = Files::new(place);
        let serve = move || {
            for Posted { mut work, .. } in queue {
                let looked = files.check().and_then(|()| {
                    let moment = connection.unchecked_transaction().map_err(|error| from_sqlite(&error))?;
                    Ok(work.run(&moment)?)
                });
                work.end(looked);
            }
        };
        thread::Builder::new().name("sqlite-read".to_owned()).spawn(serve)?;
        Ok(Self { calls, waited: Waited::default() })
    }

    /// Runs `work`, which touches about so many rows, there and waits for it. It may run more than once, but only one run is
    /// committed.
    pub(super) async fn run<T, F>(&self, rank: Rank, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
    {
        self.run_unless(rank, rows, |_| Ok(None), work).await
    }

    /// The same for work that may have nothing to write. Where the lock has to be waited for, `glance` looks whether that is so,
    /// and what it comes to is the answer then.
    pub(super) async fn run_unless<T, F, G>(&self, rank: Rank, rows: usize, glance: G, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, TxError> + Send + 'static,
        G: FnMut(&Connection) -> Result<Option<T>, TxError> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let gone = || StoreError::Refused("the thread of the database has ended".to_owned());
        let work = Box::new(Call { rows, work, glance, done: None, answer });
        self.calls.send(Posted { rank, since: Stopwatch::start(), is_alone: false, work }).map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }

    /// For how long, since the beginning, beats have waited for another process's write.
    pub(super) fn waited(&self) -> Duration {
        self.waited.get()
    }
}

impl std::fmt::Debug for ConnectionThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionThread").finish_non_exhaustive()
    }
}

/// Opens both connections, and starts their threads.
pub(super) fn connection_threads(
    place: &Place,
    synchronous: Synchronous,
    bell: &Bell,
) -> Result<(ConnectionThread, ConnectionThread), StoreError> {
    let no_thread = |error: std::io::Error| StoreError::Refused(format!("no thread for the database: {error}"));
    let connection = database::open(&place.path, synchronous)?;
    let reading = ConnectionThread::reading(database::open_read_only(&place.path)?, place).map_err(no_thread)?;
    let writing = ConnectionThread::writing(connection, place, bell.clone()).map_err(no_thread)?;
    Ok((writing, reading))
}
