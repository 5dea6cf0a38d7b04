//! A message, and where it lies.

use common::{clock::Timestamp, message::Message, queue_name::QueueName, store::Body};
use std::sync::Arc;

/// A message that has not ended.
#[derive(Clone, Debug)]
pub struct Item {
    /// The queue that it lies in.
    pub queue: QueueName,
    /// What it says; a stand-in, with the same id, where its bytes say nothing.
    pub message: Message,
    /// Its bytes, where they are no message.
    pub raw: Option<Vec<u8>>,
    /// The name that it lies under, once that is known: its id at first, a fresh one whenever a new body is written.
    pub name: Option<Arc<str>>,
    /// How many workers died with it.
    pub crashes: u32,
    /// The reason of who cancelled it while somebody held it.
    pub cancelled: Option<String>,
    /// Where it is.
    pub place: Place,
}

impl Item {
    /// What is kept of it, should it die.
    pub(super) fn body(&self) -> Body {
        self.raw.clone().map_or_else(|| Body::Message(self.message.clone()), Body::Raw)
    }

    /// Whether it is this message, byte for byte.
    pub(super) fn says(&self, message: &Message) -> bool {
        self.raw.is_none() && self.message == *message
    }
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In its queue.
    Ready {
        /// Its priority.
        band: i32,
        /// Its place among those of the same priority.
        rank: i64,
    },
    /// Held until its time.
    Held {
        /// When that is.
        due: Timestamp,
        /// Its place in the inbox, where nobody has looked at it yet, so that it counts as due; only where a queue has a fleet.
        inbox: Option<i64>,
    },
    /// Held by a worker.
    Claimed {
        /// Which.
        by: usize,
    },
    /// Held by one of Python's workers.
    Taken {
        /// Which.
        by: usize,
        /// When it is due, where it was fetched from the inbox.
        due: Option<Timestamp>,
    },
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The queue that it lies in.
    pub queue: QueueName,
    /// The name that it lies under, once that is known: the one it had, where that is free.
    pub name: Option<Arc<str>>,
    /// What is kept of it.
    pub body: Body,
    /// Why it died; Python does not note it.
    pub reason: Option<String>,
    /// When it died.
    pub died: Timestamp,
}
