//! Opening a file: what may be opened, and what is refused.
//!
//! Nothing that is there is ever overwritten: a file that is no database, is damaged, belongs to somebody else or to a newer
//! version of this library is refused with the reason, and stays as it is.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::error::from_sqlite;
use super::files::{beside, rights};
use super::schema;
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// How long a call waits for another process's write.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a switch to a log that was refused is tried again.
const SWITCH_AGAIN: Duration = Duration::from_millis(5);

/// How many bytes SQLite takes for a path.
const LONGEST_PATH: usize = 511;

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
    if connection.is_readonly(MAIN_DB).map_err(|error| from_sqlite(&error))? {
        return Err(closed_files(path, "it may only be read"));
    }
    prepare(&mut connection, synchronous).map_err(|error| refusal(&error, path))??;
    // From here on, whoever writes waits in a way of his own.
    connection.busy_timeout(Duration::ZERO).map_err(|error| from_sqlite(&error))?;
    Ok(connection)
}

/// Opens the file once more, to read only.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| from_sqlite(&error))
}

fn check_place(path: &Path) -> Result<(), StoreError> {
    let refused = |why: String| Err(StoreError::Refused(why));
    // The log first: it is written after the file, so that one which is just being made is not taken for one that was cut off.
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    let Ok(found) = fs::metadata(path) else { return check_name(path) };
    if found.is_dir() {
        return refused(format!("{} is a folder: name a file in it", path.display()));
    }
    if !found.is_file() {
        return refused(format!("{} is no file", path.display()));
    }
    if found.nlink() > 1 {
        return refused(format!(
            "{} has {} names (hard links), and SQLite keeps a log for each: whoever writes by another one damages it; copy it to a \
             file of its own, and use a symbolic link where it needs two names",
            path.display(),
            found.nlink()
        ));
    }
    if found.len() == 0 && log > 0 {
        return refused(format!(
            "{} is empty, but a log lies beside it: it was cut off; restore it, or move both away",
            path.display()
        ));
    }
    check_name(path)
}

/// Whether the names of all files fit the system.
fn check_name(path: &Path) -> Result<(), StoreError> {
    let longest = beside(path, "-journal");
    let is_too_long = |error: std::io::Error| error.kind() == ErrorKind::InvalidFilename;
    if fs::symlink_metadata(&longest).is_err_and(is_too_long) || longest.as_os_str().len() > LONGEST_PATH {
        return Err(StoreError::Refused(format!(
            "the name {} is too long: SQLite adds up to 8 bytes to it, and takes {LONGEST_PATH} for a whole path",
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

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
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
    match from_sqlite(error) {
        StoreError::Denied { cause, .. } => closed_files(path, &cause),
        StoreError::Unreachable(cause) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            closed_files(path, &cause)
        }
        other => other,
    }
}

/// The files of which one does not open, and why.
///
/// The system would tell which one and why, were it asked to open them. But a file that is closed again loses all locks that this
/// process has on it, also those of another connection. So it is asked for another file beside them.
fn closed_files(path: &Path, cause: &str) -> StoreError {
    let probe = beside(path, &format!("-probe{}", std::process::id()));
    let asked = OpenOptions::new().write(true).create_new(true).open(&probe);
    if asked.is_ok() {
        // It is empty, and nobody knows of it.
        let _ = fs::remove_file(&probe);
    }
    let folder = path.parent().unwrap_or(path);
    let why = match asked.map_err(|error| error.kind()) {
        Err(ErrorKind::ReadOnlyFilesystem) => {
            format!(
                "the file system of {} is mounted read-only: name a file elsewhere, or mount it anew to write",
                folder.display()
            )
        }
        Err(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            return StoreError::Full(format!("no room for a file in {}", folder.display()));
        }
        Err(ErrorKind::PermissionDenied) => {
            format!("this user may not make files in {}, as SQLite has to, for its log", rights(folder))
        }
        _ => {
            let files = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")];
            let files: Vec<_> = files.iter().filter(|file| file.exists()).map(|file| rights(file)).collect();
            format!("this user needs the rights `r` and `w` on {}", files.join(", "))
        }
    };
    StoreError::Refused(format!("{} cannot be opened to read and write it ({cause}): {why}", path.display()))
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
