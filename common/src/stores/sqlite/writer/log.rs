//! The log that SQLite writes ahead, and how long it may become.
//!
//! What is committed lies in the log until it is worked into the database, and for that the database may have to grow by as much
//! as the log is long. On a disk that the log itself has filled there is no room for it any more, and no way back: not
//! even deleting a message works. So the log is never longer than what is free beside it, as far as we have a say: whoever makes it
//! longer works it in at once, while there is room.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::stores::sqlite::files::beside;

/// A log that is longer than this, in bytes, is cut off when there is nothing else to do.
pub(super) const LONG: u64 = 4 << 20;

/// A log that is longer than this, in bytes, is worth a warning: somebody looks for too long.
pub(super) const TOO_LONG: u64 = 64 << 20;

/// How much longer the log has to be, in bytes, before the free room is looked at once more.
const STEP: u64 = 128 << 10;

pub(super) struct Log {
    database: PathBuf,
    path: PathBuf,
    /// Whether the log was found too long.
    pub(super) warned: bool,
    /// How long the log may become, in bytes, before it is shortened amid other work.
    pub(super) patience: u64,
    /// From which length on, in bytes, the free room is looked at.
    next_look: u64,
    /// What is free beside a file, in bytes; a test says what it likes.
    pub(super) room: fn(&Path) -> u64,
}

impl Log {
    pub(super) fn new(database: PathBuf) -> Self {
        let path = beside(&database, "-wal");
        Self { path, database, warned: false, patience: TOO_LONG, next_look: STEP, room }
    }

    /// How long it is, in bytes.
    pub(super) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |log| log.len())
    }

    /// Shortens a log that is too long even though there is always something else to do; each time in vain, it waits for twice as
    /// long a log.
    pub(super) fn watch(&mut self, connection: &Connection) {
        let length = self.length();
        if length >= self.next_look {
            // A reader may hold it; it is tried again soon.
            if length > (self.room)(&self.database) {
                self.shorten(connection);
            }
            self.next_look = self.length() + STEP;
        } else if length + STEP < self.next_look {
            self.next_look = length + STEP;
        }
        if length > self.patience {
            self.shorten(connection);
            self.say_if_too_long();
            self.patience = length.saturating_mul(2);
        } else if length < LONG {
            self.patience = TOO_LONG;
        }
    }

    /// Shortens a long log now that there is nothing else to do.
    pub(super) fn tidy(&mut self, connection: &Connection) {
        if self.length() >= LONG {
            self.shorten(connection);
            self.say_if_too_long();
        }
        self.patience = TOO_LONG;
    }

    /// Works the log into the database, and cuts it off. Tells whether it is shorter now. Waits for no reader: it would have the
    /// write lock meanwhile.
    pub(super) fn shorten(&self, connection: &Connection) -> bool {
        let before = self.length();
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::debug!(target: "common::broker", "the log of {} was not cut off: {error}", self.database.display());
        }
        self.length() < before
    }

    fn say_if_too_long(&mut self) {
        let length = self.length();
        let is_too_long = length > TOO_LONG;
        if is_too_long && !self.warned {
            tracing::warn!(
                target: "common::broker",
                "the log {} has grown to {} MiB: some process reads the database for a long time",
                self.path.display(),
                length >> 20
            );
        }
        self.warned = is_too_long;
    }
}

/// What is free on a file's disk, in bytes; without end where nobody knows.
fn room(file: &Path) -> u64 {
    rustix::fs::statvfs(file).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
