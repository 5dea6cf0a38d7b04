//! Who holds what.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::DecodeError;
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;

/// Identifies a worker: random, new at each start, never configured.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A fresh random id.
    #[must_use]
    pub fn random() -> Self {
        Self(MessageId::random().as_str().into())
    }

    /// The id as the store has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Who.
    pub worker: WorkerId,
    /// The queues that it may fetch from.
    pub queues: Vec<QueueName>,
}

/// How many messages are wanted of a queue, at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The queue.
    pub queue: QueueName,
    /// At most so many.
    pub count: usize,
    /// Only those whose priority goes before this one.
    pub before: Option<i32>,
}

/// A worker's hold on one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The queue that it was fetched from, whatever the message itself says.
    pub queue: QueueName,
    /// The name under which the store holds the message.
    pub id: Arc<str>,
}

impl Claim {
    /// A claim on what was fetched from `queue`. It takes the name of the queue from the message, where it is the same: the consumer and the
    /// slots copy claims all the time, and one count of copies for the whole queue would go from core to core each time.
    pub(crate) fn of(queue: &QueueName, id: Arc<str>, body: &Result<Message, Undecodable>) -> Self {
        let own = body.as_ref().map(|message| &message.queue_name).ok().filter(|own| *own == queue);
        Self { queue: own.unwrap_or(queue).clone(), id }
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The store's time: what it calls due is due, whatever another clock says.
    pub now: Timestamp,
    /// The messages, in the order in which they are to run.
    pub deliveries: Vec<Delivery>,
    /// When the next held message of these queues is due.
    pub next_due: Option<Timestamp>,
    /// Whether these queues may have more than it brought; the next fetch tells. Otherwise they were found empty.
    pub more: bool,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be something to fetch.
    Ready,
    /// There may be something that comes due earlier than was known: a beat tells.
    Due,
}

/// A message that was fetched, with this worker's claim on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The claim.
    pub claim: Claim,
    /// The message, or the bytes that are none.
    pub body: Result<Message, Undecodable>,
    /// How many workers died while they ran it, as far as they had recorded its start. What is requeued or put off
    /// ([`Disposition::Defer`](super::Disposition::Defer)) keeps the number, a retry starts anew.
    pub crashes: u32,
    /// Whether a worker died that may have been running it: its start is to be recorded before it runs
    /// ([`Store::start`](super::Store::start)).
    pub marked: bool,
}

/// A dead letter that its store has made by itself: its message was cancelled, or too large to be fetched. Its end, with hooks,
/// callbacks and results, is still to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unended {
    /// Who ends it says so by this claim.
    pub claim: Claim,
    /// Its bytes; `None` where they are too many to be brought.
    pub bytes: Option<Vec<u8>>,
    /// Why it died.
    pub reason: String,
    /// When it died.
    pub died: Timestamp,
}

/// Bytes that are no message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// The bytes as they lay in the store.
    pub bytes: Vec<u8>,
    /// What is wrong with them.
    pub error: DecodeError,
}
