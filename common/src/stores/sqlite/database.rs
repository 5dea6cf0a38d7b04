//! Opening a file: what may be opened, and what is refused.
//!
//! Nothing that is there is ever overwritten: a file that is no database, is damaged, belongs to somebody else or to a newer
//! version of this library is refused with the reason, and stays as it is.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::schema;
use super::trouble::told;
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// How long a call waits for another process's write.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a switch to a log that was refused is tried again.
const SWITCH_AGAIN: Duration = Duration::from_millis(5);

/// "BGTK": marks our files, so that another program's database is not taken for one.
const APPLICATION_ID: i32 = 0x4247_544b;

/// How much a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// For the operating system: the death of a process loses nothing, a power cut may lose the last commits.
    #[default]
    Normal,
    /// For the disk: a power cut loses nothing either, and a commit takes as long as the disk needs.
    Full,
}

/// Opens the file for writing, and makes it what it has to be.
pub(super) fn open(path: &Path, synchronous: Synchronous) -> Result<Connection, StoreError> {
    check_place(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| refusal(&error, path))?;
    // Where a file may only be read, SQLite opens it all the same.
    if connection.is_readonly(MAIN_DB).map_err(|error| told(&error))? {
        return Err(closed_files(path, "it may only be read"));
    }
    prepare(&mut connection, synchronous).map_err(|error| refusal(&error, path))??;
    Ok(connection)
}

/// Opens the file once more, to look only.
pub(super) fn open_to_look(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let look = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    look().map_err(|error: rusqlite::Error| told(&error))
}

/// The name of a file that belongs to the database.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn check_place(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(StoreError::Refused(format!(
            "there is no folder {}: make it, or name another file",
            folder.display()
        )));
    }
    // The log first: it is written after the file, so that one which is just being made is not taken for one that was cut off.
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_file() {
        return Err(StoreError::Refused(format!("{} is no file", path.display())));
    }
    if found.len() == 0 && log > 0 {
        return Err(StoreError::Refused(format!(
            "{} is empty, but a log lies beside it: it was cut off; restore it, or move both away",
            path.display()
        )));
    }
    Ok(())
}

fn prepare(connection: &mut Connection, synchronous: Synchronous) -> rusqlite::Result<Result<(), StoreError>> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // One snapshot: another process may be making the tables and the mark at this moment.
    if let Err(foreign) = check_owner(&*connection.transaction()?)? {
        return Ok(Err(foreign));
    }
    let damage: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if damage != "ok" {
        return Ok(Err(StoreError::Refused(format!(
            "the database file is damaged ({damage}): restore a copy, or move it away; it is left as it is"
        ))));
    }
    let mode = switch_to_log(connection)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Ok(Err(StoreError::Refused(format!(
            "the file system cannot share a log between processes (journal mode stays {mode}): use a local disk"
        ))));
    }
    let level = match synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.set_prepared_statement_cache_capacity(64);
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if owner == APPLICATION_ID && version(connection)? == schema::VERSION {
        return Ok(Ok(()));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Somebody else may have been faster.
    if let Err(foreign) = check_owner(&transaction)? {
        return Ok(Err(foreign));
    }
    let version = version(&transaction)?;
    schema::migrate(&transaction, version)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()?;
    Ok(Ok(()))
}

/// Switches to a log, and tells the mode that it came to.
///
/// Where two switch a new file at once, each might wait for the other; so SQLite refuses one of them without any waiting.
fn switch_to_log(connection: &Connection) -> rusqlite::Result<String> {
    let watch = Stopwatch::start();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if is_busy(&error) && watch.elapsed() < BUSY_TIMEOUT => thread::sleep(SWITCH_AGAIN),
            mode => return mode,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Whether the file is ours, or new, and of a version that is known.
fn check_owner(connection: &Connection) -> rusqlite::Result<Result<(), StoreError>> {
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner != APPLICATION_ID && (tables > 0 || owner != 0) {
        return Ok(Err(StoreError::Refused(
            "it is the database of another program: name another file; it is left as it is".to_owned(),
        )));
    }
    if version > schema::VERSION {
        return Ok(Err(StoreError::Refused(format!(
            "it was written by a newer version (schema {version}, this one knows {}): use that version; it is left as it is",
            schema::VERSION
        ))));
    }
    Ok(Ok(()))
}

/// An error of the opening, with the file that it is about.
fn refusal(error: &rusqlite::Error, path: &Path) -> StoreError {
    match told(error) {
        StoreError::Denied { command, cause, .. } => {
            StoreError::Denied { key: path.display().to_string(), command, cause }
        }
        StoreError::Unreachable(cause) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            closed_files(path, &cause)
        }
        other => other,
    }
}

/// The files of which one does not open, and who may do what with them.
///
/// The system would tell which one and why, were it asked to open them. But a file that is closed again loses all locks that this
/// process has on it, also those of another connection.
fn closed_files(path: &Path, cause: &str) -> StoreError {
    let folder = path.parent().map(Path::to_owned);
    let files = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")].into_iter().chain(folder);
    let rights = files.filter_map(|file| {
        let found = fs::metadata(&file).ok()?;
        let mode = found.permissions().mode() & 0o7777;
        Some(format!("{} has mode {mode:03o} and belongs to user {}", file.display(), found.uid()))
    });
    StoreError::Refused(format!(
        "{} cannot be opened to read and write it ({cause}); {}",
        path.display(),
        rights.collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// It is chance who meets whom: with so many, most runs have shown what was wrong, not all.
    const FILES: usize = 40;

    const TOGETHER: usize = 8;

    #[test]
    fn all_that_open_a_new_file_at_once_succeed() {
        for _ in 0..FILES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tasks.db");
            let gate = Barrier::new(TOGETHER);
            let open_together = || {
                gate.wait();
                open(&path, Synchronous::Normal).map(drop)
            };
            thread::scope(|scope| {
                let opening: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(open_together)).collect();
                for opened in opening {
                    assert_eq!(opened.join().unwrap(), Ok(()));
                }
            });
        }
    }
}
