//! What a look at a store shows.

use std::time::Duration;

use serde::Serialize;

use super::claims::Claim;
use crate::clock::Timestamp;
use crate::queue_name::QueueName;

/// What a beat found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The store's time.
    pub now: Timestamp,
    /// What the worker believed to hold, and does not: others took it for dead, and run it.
    pub lost: Vec<Claim>,
    /// What the worker holds, and somebody has cancelled; told with every beat until it ends.
    pub cancelled: Vec<Claim>,
    /// When the next held message of its queues is due.
    pub next_due: Option<Timestamp>,
    /// How many messages became ready: came due, or were recovered.
    pub moved: usize,
    /// Whether there is something to fetch: whoever waits may have missed its wake-up.
    pub ready: bool,
    /// The queues with dead letters whose end is still to be made ([`Store::unended`](super::Store::unended)); a beat may leave some
    /// out.
    pub unended: Vec<QueueName>,
}

/// How many messages of a queue are in which place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Waiting to be fetched.
    pub ready: usize,
    /// Waiting for their time.
    pub delayed: usize,
    /// Fetched by a worker, and not finished.
    #[serde(rename = "running")]
    pub claimed: usize,
    /// Dead letters.
    pub dead: usize,
}

/// A queue, as far as its numbers tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: QueueName,
    /// How many messages are in which place.
    #[serde(flatten)]
    pub counts: Counts,
    /// Whether nothing is fetched from it.
    pub paused: bool,
}

/// A worker that a store knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its id.
    pub id: String,
    /// Its queues; `None` where it does not tell them, as Python's workers don't.
    pub queues: Option<Vec<QueueName>>,
    /// How long ago it gave its last sign of life.
    pub silent_for: Duration,
    /// Whether that is too long ago: what it holds is about to be given to others.
    pub is_silent: bool,
    /// What it has claimed, at most [`PAGE`](super::PAGE): it runs that, or is about to.
    pub claims: Vec<Claim>,
}

/// A message that was found. As JSON it lacks its bytes: who shows them knows what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageInfo {
    /// The queue that it belongs to.
    pub queue: QueueName,
    /// The name under which the store holds it.
    pub name: String,
    /// Its bytes.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// How many workers died while they ran it, as far as that was recorded.
    pub crashes: u32,
    /// The place that it is in.
    #[serde(flatten)]
    pub state: State,
}

impl MessageInfo {
    /// Whether the message has not ended: it is no dead letter.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Dead { .. })
    }
}

/// The place that a message was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// In its queue.
    Ready {
        /// How many go before it; `None` for more than [`AHEAD_LIMIT`](super::AHEAD_LIMIT).
        ahead: Option<usize>,
    },
    /// Held until its time; on Redis maybe in the memory of one of Python's workers.
    Delayed {
        /// When it is due.
        due: Timestamp,
    },
    /// Held by a worker.
    Claimed {
        /// Its id.
        worker: String,
        /// Whether somebody has cancelled it.
        cancelled: bool,
    },
    /// Among the dead letters.
    Dead {
        /// When it died.
        died: Timestamp,
        /// Why, where that is known.
        reason: Option<String>,
    },
}

/// Where a message was that has been cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "was", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cancelled {
    /// In its queue; it is a dead letter now.
    Ready,
    /// Held until its time; it is a dead letter now.
    Delayed,
    /// Held by this worker, which hears of it.
    #[serde(rename = "running")]
    Claimed {
        /// Its id.
        worker: String,
    },
}

/// A dead letter. As JSON it lacks its bytes, like [`MessageInfo`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The name under which the store holds it.
    pub id: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why it died, where that is known.
    pub reason: Option<String>,
    /// When it died.
    pub died: Timestamp,
}
