//! Hearing what has happened to messages, once it has: for metrics, error reporters, traces.
//!
//! A worker tells its [`Observer`]s of every end that the store has taken: of runs, and of messages that died without one. An observer
//! changes nothing and holds up nobody. Reports wait for it in a queue of [`MAX_WAITING`], and one thread takes them out; where
//! observers are slower than the worker is, those that find no room are dropped and counted.

mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::queue::ReportQueue;
use crate::actor::Declaration;
use crate::clock::Timestamp;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::queue_name::QueueName;
use crate::store::Disposition;

/// How many reports wait for a worker's observers at most.
pub const MAX_WAITING: usize = 10_000;

/// Hears what has happened to messages. [`BrokerBuilder::observer`](crate::broker::BrokerBuilder::observer) adds one.
///
/// # Examples
///
/// An error reporter that hears of every death, also of a message that never ran:
///
/// ```
/// use common::observe::{Observer, Report, Settled};
///
/// struct ErrorReporter;
///
/// impl Observer for ErrorReporter {
///     fn observe(&self, report: &Report) {
///         let Settled::Dead(reason) = &report.settled else { return };
///         let message = report.message.as_ref().map_or_else(|| "what is no message".to_owned(), |message| message.to_string());
///         eprintln!("{message} in {}, attempt {:?}: {reason}", report.queue, report.attempt);
///     }
/// }
/// # let _ = common::broker::Broker::builder().observer(ErrorReporter);
/// ```
pub trait Observer: Send + Sync + 'static {
    /// What it is called in the log: the name of its type, unless it says otherwise.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Whether its reports are to have the [message](Report::message). One that only counts has no use for it, and costs a worker
    /// much less without: a message that nobody keeps is gone where it was run.
    fn wants_messages(&self) -> bool {
        true
    }

    /// Hears of an end, in the order in which the store took them. One that panics misses this report, and no other.
    fn observe(&self, report: &Report);

    /// Hears how many reports were dropped since it was told the last time.
    fn dropped(&self, reports: u64) {
        let _ = reports;
    }
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a message has ended that a worker had fetched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The queue that it was fetched from.
    pub queue: QueueName,
    /// The message as it was fetched; `None` where its bytes are none, or too many to be fetched, or no observer
    /// [wants](Observer::wants_messages) it.
    pub message: Option<Arc<Message>>,
    /// Which attempt it was, from 1; `None` where there is no message.
    pub attempt: Option<u32>,
    /// Its actor; `None` where there is no message, or the worker does not know it.
    pub actor: Option<&'static Declaration>,
    /// The slot that it ran on, from 1; `None` where it died without a run.
    pub slot: Option<usize>,
    /// How long it could have run before it did ([`Run::waited`](crate::middleware::Run::waited)).
    pub waited: Option<Duration>,
    /// How long its actor took; zero where that was not called.
    pub took: Duration,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What became of it in the store.
    pub settled: Settled,
}

/// Reports on their way: each is moved from list to list, and made once.
pub(crate) type Reports = Vec<Box<Report>>;

/// What has become of a message in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It is done.
    Done,
    /// It waits until this time.
    Waits(Timestamp),
    /// It is in its queue again.
    Requeued,
    /// It is a dead letter, for this reason.
    Dead(String),
    /// Nothing: its claim had been lost, another worker has the message, and this end had no effect.
    ClaimLost,
}

impl From<&Disposition> for Settled {
    fn from(disposition: &Disposition) -> Self {
        match disposition {
            Disposition::Ack => Self::Done,
            Disposition::Retry(due, _) | Disposition::Defer(due, _) => Self::Waits(*due),
            Disposition::Requeue(_) | Disposition::Release => Self::Requeued,
            Disposition::DeadLetter(_, reason) => Self::Dead(reason.clone()),
            Disposition::StaysDead => Self::Dead(String::new()),
        }
    }
}
