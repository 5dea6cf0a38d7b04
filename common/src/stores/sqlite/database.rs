//! Opening a file: what may be opened, and what is refused.
//!
//! Nothing that is there is ever overwritten: a file that is no database, is damaged, belongs to somebody else or to a newer
//! version of this library is refused with the reason, and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::schema;
use super::trouble::told;
use crate::error::StoreError;

/// How long a call waits for another process's write.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| told(&error))?;
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
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_file() {
        return Err(StoreError::Refused(format!("{} is no file", path.display())));
    }
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
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
    if let Err(foreign) = check_owner(connection)? {
        return Ok(Err(foreign));
    }
    let damage: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if damage != "ok" {
        return Ok(Err(StoreError::Refused(format!(
            "the database file is damaged ({damage}): restore a copy, or move it away; it is left as it is"
        ))));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
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
    if version(connection)? == schema::VERSION {
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
        other => other,
    }
}
