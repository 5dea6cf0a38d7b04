//! What the threads do while others use the file.

use std::fs;

use rusqlite::{ffi, params};
use tempfile::TempDir;

use super::*;
use crate::stores::sqlite::Synchronous;

/// A file, and another process's connection to it.
struct Rig {
    folder: TempDir,
    bell: Bell,
    other: Connection,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.db");
        let other = database::open(&path, Synchronous::Normal).unwrap();
        Self { bell: Bell::new(&path), folder, other }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("tasks.db")
    }

    fn writer(&self) -> Writer {
        let connection = database::open(&self.path(), Synchronous::Normal).unwrap();
        let files = Files::new(&self.path());
        // No calls come by the channel here.
        let (_, queue) = channel();
        Writer { connection, queue, files, bell: self.bell.clone(), warned: false, patience: TOO_LONG_LOG }
    }

    fn writing(&self) -> Desk {
        let connection = database::open(&self.path(), Synchronous::Normal).unwrap();
        Desk::writing(connection, &self.path(), self.bell.clone()).unwrap()
    }

    fn looking(&self) -> Desk {
        Desk::looking(database::open_to_look(&self.path()).unwrap(), &self.path()).unwrap()
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
    let mut writer = rig.writer();
    rig.other.execute_batch("BEGIN").unwrap();
    count(&rig.other).unwrap();
    store(&writer.connection, "long", TOO_LONG_LOG);

    let watch = Stopwatch::start();
    writer.watch_log();
    assert!(watch.elapsed() < database::BUSY_TIMEOUT, "it has waited for the reader: {:?}", watch.elapsed());
    assert!(writer.warned);
    assert!(writer.files.log_length() > TOO_LONG_LOG);
    assert!(writer.patience > writer.files.log_length(), "each commit would try once more");

    rig.other.execute_batch("COMMIT").unwrap();
    writer.shorten_log();
    assert_eq!(writer.files.log_length(), 0);
    assert!(!writer.warned);
    writer.watch_log();
    assert_eq!(writer.patience, TOO_LONG_LOG);
}

#[test]
fn other_writers_are_waited_for_after_the_log_was_cut_off() {
    let rig = Rig::new();
    let mut writer = rig.writer();
    store(&writer.connection, "long", LONG_LOG);
    writer.shorten_log();
    let timeout: i64 = writer.connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
    assert_eq!(u128::try_from(timeout).unwrap(), database::BUSY_TIMEOUT.as_millis());
}

#[tokio::test]
async fn nothing_more_is_written_to_a_database_that_was_found_damaged() {
    let rig = Rig::new();
    let desk = rig.writing();
    let damage = || Trouble::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None));
    let found = desk.run(1, move |_| Err::<(), _>(damage())).await;
    assert!(matches!(&found, Err(StoreError::Refused(why)) if why.contains("is damaged")), "{found:?}");
    let later = desk.run(1, |connection| {
        store(connection, "later", 1);
        Ok(())
    });
    assert_eq!(later.await, found);
    assert_eq!(count(&rig.other).unwrap(), 0);
}

#[tokio::test]
async fn a_look_sees_one_moment() {
    let rig = Rig::new();
    let desk = rig.looking();
    let other = database::open(&rig.path(), Synchronous::Normal).unwrap();
    let look = move |connection: &Connection| {
        let before = count(connection)?;
        store(&other, "meanwhile", 1);
        Ok((before, count(connection)?))
    };
    assert_eq!(desk.run(0, look).await, Ok((0, 0)));
    let look = |connection: &Connection| Ok(count(connection)?);
    assert_eq!(desk.run(0, look).await, Ok(1), "the next one sees what has come");
}

#[tokio::test]
async fn nothing_is_read_from_a_database_that_was_moved_away() {
    let rig = Rig::new();
    let desk = rig.looking();
    fs::rename(rig.path(), rig.folder.path().join("elsewhere.db")).unwrap();
    let looked = desk.run(0, |connection| Ok(count(connection)?)).await;
    assert!(matches!(&looked, Err(StoreError::Refused(why)) if why.contains("was moved")), "{looked:?}");
}
