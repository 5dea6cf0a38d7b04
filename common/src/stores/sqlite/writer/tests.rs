//! What the threads do while others use the file.

use std::fs;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, ffi, params};
use tempfile::TempDir;

use super::log::{LONG, Log, TOO_LONG};
use super::*;
use crate::stores::sqlite::connection_thread::ConnectionThread;
use crate::stores::sqlite::database::{open, open_read_only};
use crate::stores::sqlite::files::Place;
use crate::stores::sqlite::posted::Rank;
use crate::stores::sqlite::{Bell, Synchronous};

/// A file, and another process's connection to it.
struct Rig {
    folder: TempDir,
    other: Connection,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let other = open(&folder.path().join("tasks.db"), Synchronous::Normal).unwrap();
        Self { folder, other }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("tasks.db")
    }

    fn place(&self) -> Place {
        Place::find(&self.path()).unwrap()
    }

    fn open(&self) -> Connection {
        open(&self.path(), Synchronous::Normal).unwrap()
    }

    fn writing(&self) -> ConnectionThread {
        ConnectionThread::writing(self.open(), &self.place(), Bell::new(&self.path())).unwrap()
    }

    fn reading(&self) -> ConnectionThread {
        ConnectionThread::reading(open_read_only(&self.path()).unwrap(), &self.place()).unwrap()
    }
}

fn store(connection: &Connection, key: &str, size: u64) {
    let store = "INSERT INTO stored (namespace, key, value, until) VALUES ('n', ?, zeroblob(?), 0)";
    connection.execute(store, params![key, size]).unwrap();
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM stored", [], |row| row.get(0))
}

#[test]
fn a_log_that_a_reader_holds_is_told_of_amid_work_and_keeps_nobody_waiting() {
    let rig = Rig::new();
    let (connection, mut log) = (rig.open(), Log::new(rig.path()));
    rig.other.execute_batch("BEGIN").unwrap();
    count(&rig.other).unwrap();
    store(&connection, "long", TOO_LONG);

    let watch = Stopwatch::start();
    log.watch(&connection);
    assert!(watch.elapsed() < BUSY_TIMEOUT, "it has waited for the reader: {:?}", watch.elapsed());
    assert!(log.warned);
    assert!(log.length() > TOO_LONG);
    assert!(log.patience > log.length(), "each commit would try once more");

    rig.other.execute_batch("COMMIT").unwrap();
    log.tidy(&connection);
    assert_eq!(log.length(), 0);
    assert!(!log.warned);
    log.watch(&connection);
    assert_eq!(log.patience, TOO_LONG);
}

#[test]
fn a_log_that_grows_beyond_what_is_free_is_worked_in_at_once() {
    let rig = Rig::new();
    let (connection, mut log) = (rig.open(), Log::new(rig.path()));
    store(&connection, "some", LONG / 2);
    log.watch(&connection);
    assert!(log.length() > LONG / 2, "there is room, and it is not long");
    log.room = |_| LONG / 4;
    store(&connection, "more", LONG / 4);
    log.watch(&connection);
    assert_eq!(log.length(), 0);
    assert_eq!(count(&connection).unwrap(), 2);
}

#[tokio::test]
async fn another_writer_is_waited_for_and_beats_go_first() {
    let rig = Rig::new();
    let thread = rig.writing();
    rig.other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let ran = |name: &'static str| {
        let order = order.clone();
        move |_: &Connection| {
            order.lock().unwrap().push(name);
            Ok(())
        }
    };
    let (one, two, beat) = (
        thread.run(Rank::Other, 1, ran("one")),
        thread.run(Rank::Other, 1, ran("two")),
        thread.run(Rank::Beat, 1, ran("beat")),
    );
    let free = async {
        // All three are handed over by then, as each was polled once.
        tokio::task::yield_now().await;
        rig.other.execute_batch("COMMIT").unwrap();
    };
    let (one, two, beat, ()) = tokio::join!(one, two, beat, free);
    assert_eq!((one, two, beat), (Ok(()), Ok(()), Ok(())));
    assert_eq!(*order.lock().unwrap(), ["beat", "one", "two"]);
}

#[tokio::test]
async fn what_was_handed_over_is_done_when_the_store_is_dropped_amid_a_wait() {
    let rig = Rig::new();
    let thread = rig.writing();
    rig.other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let work = |connection: &Connection| {
        store(connection, "late", 1);
        Ok(())
    };
    let mut handed_over = Box::pin(thread.run(Rank::Other, 1, work));
    assert!(futures_poll(&mut handed_over).await.is_none());
    drop(handed_over);
    drop(thread);
    rig.other.execute_batch("COMMIT").unwrap();
    let watch = Stopwatch::start();
    while count(&rig.other).unwrap() == 0 {
        assert!(watch.elapsed() < BUSY_TIMEOUT * 4, "it was forgotten");
    }
}

/// Polls once.
async fn futures_poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn nothing_more_is_written_to_a_database_that_was_found_damaged() {
    let rig = Rig::new();
    let thread = rig.writing();
    let damage = || TxError::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None));
    let found = thread.run(Rank::Other, 1, move |_| Err::<(), _>(damage())).await;
    assert!(matches!(&found, Err(StoreError::Refused(why)) if why.contains("is damaged")), "{found:?}");
    let later = thread.run(Rank::Other, 1, |connection| {
        store(connection, "later", 1);
        Ok(())
    });
    assert_eq!(later.await, found);
    assert_eq!(count(&rig.other).unwrap(), 0);
}

#[tokio::test]
async fn a_look_sees_one_moment() {
    let rig = Rig::new();
    let thread = rig.reading();
    let other = rig.open();
    let read = move |connection: &Connection| {
        let before = count(connection)?;
        store(&other, "meanwhile", 1);
        Ok((before, count(connection)?))
    };
    assert_eq!(thread.run(Rank::Other, 0, read).await, Ok((0, 0)));
    let read = |connection: &Connection| Ok(count(connection)?);
    assert_eq!(thread.run(Rank::Other, 0, read).await, Ok(1), "the next one sees what has come");
}

#[tokio::test]
async fn nothing_is_read_from_a_database_that_was_moved_away() {
    let rig = Rig::new();
    let thread = rig.reading();
    fs::rename(rig.path(), rig.folder.path().join("elsewhere.db")).unwrap();
    let looked = thread.run(Rank::Other, 0, |connection| Ok(count(connection)?)).await;
    assert!(matches!(&looked, Err(StoreError::Refused(why)) if why.contains("was moved")), "{looked:?}");
}
