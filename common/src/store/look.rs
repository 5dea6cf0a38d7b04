//! What is asked of one message in one step, and what it shows.

use super::info::{MessageInfo, State};
use crate::clock::Timestamp;
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;

/// Which message a look is for ([`Inspect::look`](super::Inspect::look)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The queue that it was sent to.
    pub queue: QueueName,
    /// The message's own id.
    pub id: MessageId,
    /// Where something may be kept of it.
    pub keys: Vec<String>,
    /// How the key begins under which a worker tells of what it runs; its id is the rest.
    pub told_under: String,
}

impl Look {
    /// The key under which a worker tells of what it runs.
    #[must_use]
    pub fn told_by(&self, worker: &str) -> String {
        format!("{}{worker}", self.told_under)
    }

    /// Whether what was [found](super::Inspect::find) by the start of an id is the message itself. One that cannot be read is known by its name.
    #[must_use]
    pub fn is_for(&self, found: &MessageInfo) -> bool {
        let is_its = match Message::decode(&found.bytes, Timestamp::EPOCH) {
            Ok(message) => message.message_id == self.id,
            Err(_) => found.name.starts_with(self.id.as_str()),
        };
        is_its && found.queue == self.queue
    }
}

/// What a look has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What is kept under the keys, in their order.
    pub kept: Vec<Option<Vec<u8>>>,
    /// The place that it is in.
    pub place: Place,
}

/// Where a message was when it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There.
    At {
        /// The name under which the store holds it.
        name: String,
        /// The place that it is in.
        state: State,
        /// What the worker tells that holds it.
        told: Option<Vec<u8>>,
    },
    /// In no place of its queue.
    Nowhere,
    /// The look does not say: something is kept of it, or it takes a search ([`Inspect::find`](super::Inspect::find)).
    Open,
}

impl Looked {
    /// Whether something is kept under one of the keys.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.iter().any(Option::is_some)
    }
}
