//! Limits that many processes share, inside of an actor: how many do something at the same time, and how often it is done.
//!
//! | limit | of what | what is over |
//! | --- | --- | --- |
//! | [`Concurrent`] | what goes on at the same time; with a limit of 1, a mutex | given back by its [`Guard`], or when its holder is dead |
//! | [`Bucket`] | what is done from one full minute, say, to the next: cheap, and twice the limit may come around the turn | with the bucket |
//! | [`Window`] | what is done within the last seconds: no such bursts, and the dearer the longer it is | a second at a time |
//! | [`Barrier`] | parties that wait for each other | |
//!
//! ```
//! use common::rate_limits::{Bucket, Concurrent, LimitError};
//! use common::{Broker, actor};
//! use std::time::Duration;
//!
//! #[actor]
//! async fn export(broker: &Broker, customer: u64) -> Result<(), LimitError> {
//!     let _one_at_a_time = Concurrent::mutex(format!("export-{customer}")).acquire(broker).await?;
//!     Bucket::new("mail", 100, Duration::from_secs(60)).acquire(broker).await?;
//!     // …
//!     Ok(())
//! }
//! ```
//!
//! # What is denied is put off
//!
//! [`LimitExceeded`] holds a [`Retry`] that does not count. So an actor that returns it by `?`, as [`LimitError`] or inside of an error of
//! its own (as its `source`), is *put off*: its message waits in the broker, no retry is spent however often that happens, nobody hears of
//! a failure, and a DEBUG line says so. It waits until there may be room (a bucket, a window), or as long as after a failure
//! (`min_backoff`), where nobody can know when somebody gives a slot back.
//!
//! To be put off costs a few calls to the store. Where it takes less to wait, `acquire_within` does that, in its slot of the worker: it is
//! told when a slot is given back, by whomever, and asks nothing meanwhile. Those who wait in one process for the same limit are served in
//! the order in which they came; between processes, there is no order. Meanwhile nothing waits in the worker behind it
//! ([`Worker::prefetch`](crate::worker::Worker::prefetch)).
//!
//! # What is shared
//!
//! On Redis a key means what it means to dramatiq, without the namespace, so limits are shared with Python: give both languages the same key,
//! limit, and time. In a SQLite file or in memory, the limits are those of the namespace. All times are the store's own. A user of
//! Redis whose rights are limited to the namespace needs them on these keys as well: to read, write and expire strings, sorted sets and lists.
//!
//! Whoever uses no limit sends no command for them.

mod barrier;
mod concurrent;
mod guard;
mod rate;

use std::time::Duration;

pub use self::barrier::{Barrier, BarrierState};
pub use self::concurrent::Concurrent;
pub use self::guard::Guard;
pub use self::rate::{Bucket, Window};
use crate::error::StoreError;
use crate::outcome::Retry;
pub use crate::store::Arrival;

/// How long dramatiq keeps slots and barriers: a quarter of an hour.
pub const TTL: Duration = Duration::from_secs(900);

/// A limit is reached. An actor that returns it is put off, and no retry is spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate limit exceeded for `{key}`")]
pub struct LimitExceeded {
    key: String,
    #[source]
    retry: Retry,
}

impl LimitExceeded {
    fn new(key: &str, again: Option<Duration>) -> Self {
        Self { key: key.to_owned(), retry: Retry { delay: again, counts: false } }
    }

    /// The limit's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// In how long there will be room, if nobody else takes it; `None` where that depends on when others give a slot back.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        self.retry.delay
    }
}

/// Why a limit has let nothing through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is reached.
    #[error(transparent)]
    Exceeded(#[from] LimitExceeded),
    /// The store did not say. From an actor, this is a failure like any other.
    #[error(transparent)]
    Store(#[from] StoreError),
}
