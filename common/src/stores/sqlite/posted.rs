//! Calls on their way to a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::error::TxError;
use crate::clock::Stopwatch;
use crate::error::StoreError;

/// Who goes first where several wait for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// A worker that is not heard of in time is taken for dead, so this goes before everything else.
    Beat,
    Other,
}

/// What runs inside of a transaction.
pub(super) trait Work: Send {
    /// About how many rows it touches.
    fn rows(&self) -> usize;
    fn run(&mut self, connection: &Connection) -> Result<(), TxError>;
    /// Whether there is nothing for it to write; it has come to something without then.
    fn is_void(&mut self, connection: &Connection) -> bool;
    /// The transaction is over.
    fn end(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A call on its way to a connection.
pub(super) struct Posted {
    pub(super) rank: Rank,
    pub(super) since: Stopwatch,
    /// It failed together with others, so it is tried once more by itself.
    pub(super) is_alone: bool,
    pub(super) work: Box<dyn Work>,
}

/// For how long the beats of this process have waited for the lock, in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Waited(Arc<AtomicU64>);

impl Waited {
    pub(super) fn add(&self, waited: Duration) {
        self.0.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Ends calls of which nothing happened.
pub(super) fn refuse(calls: impl IntoIterator<Item = Posted>, error: &StoreError) {
    for call in calls {
        call.work.end(Err(error.clone()));
    }
}
