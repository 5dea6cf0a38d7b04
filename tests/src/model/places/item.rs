//! A message, and where it lies.

use super::Move;
use common::{clock::Timestamp, message::Message, queue_name::QueueName, store::Body};
use std::{sync::Arc, time::Duration};

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
    /// What is known of the deaths of its workers.
    pub note: Note,
    /// When the worker that holds it has recorded its start.
    pub started: Option<Timestamp>,
    /// The reason of who cancelled it while somebody held it.
    pub cancelled: Option<String>,
    /// Where it is.
    pub place: Place,
}

/// What is known of the deaths of a message's workers: only one whose start was recorded counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    #[default]
    None,
    /// One died that had not started it, as it said with its last beat.
    Spared,
    /// One died that may have been running it, and so many that certainly were.
    Marked(u32),
    /// The same, and the last death was not counted.
    PassedOver(u32),
}

/// Who had started so much earlier than the last one of its worker is passed over once.
const TOGETHER: Duration = Duration::from_millis(500);

impl Note {
    /// How many count.
    #[must_use]
    pub fn crashes(self) -> u32 {
        if let Self::Marked(crashes) | Self::PassedOver(crashes) = self { crashes } else { 0 }
    }

    /// Whether its next start is to be recorded.
    #[must_use]
    pub fn is_marked(self) -> bool {
        matches!(self, Self::Marked(_) | Self::PassedOver(_))
    }
}

impl Item {
    /// New, without any history.
    pub(super) fn new(queue: QueueName, message: Message, name: Option<Arc<str>>, place: Place) -> Self {
        Self { queue, message, raw: None, name, note: Note::None, started: None, cancelled: None, place }
    }

    /// A worker died that held it, and had recorded some start for the last time then. Answers what that made of it.
    pub(super) fn survives(&mut self, had_waited: bool, last_start: Option<Timestamp>) -> Move {
        let was_overtaken =
            self.started.is_some_and(|started| last_start.is_some_and(|last| last > started + TOGETHER));
        let what = match self.note {
            Note::PassedOver(_) if self.started.is_some() => Move::Counted,
            _ if was_overtaken => Move::PassedOver,
            _ if self.started.is_some() => Move::Counted,
            Note::None if had_waited => Move::Spared,
            _ => Move::Marked,
        };
        let crashes = self.note.crashes();
        self.note = match what {
            Move::Counted => Note::Marked(crashes + 1),
            Move::PassedOver => Note::PassedOver(crashes),
            Move::Spared => Note::Spared,
            _ if self.note.is_marked() => self.note,
            _ => Note::Marked(0),
        };
        self.started = None;
        what
    }

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
    /// It died in the store, and its end is still to be made.
    pub is_unended: bool,
}
