//! A message as the store has it: its bytes, under an id that the bytes name.

use super::scripts::Call;
use crate::clock::Timestamp;
use crate::message::{Message, Raw, option};
use crate::queue_name::QueueName;
use crate::store::{PRIORITIES, fresh_name};

/// One message, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) queue: QueueName,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// What decides where it goes; both zero for most.
    pub(super) due: i64,
    pub(super) priority: i32,
}

impl Record {
    /// Under an id: Python acknowledges by what the bytes say.
    pub(super) fn new(message: &Message, id: &str, now: Timestamp) -> Self {
        Self {
            queue: message.queue_name.clone(),
            id: id.to_owned(),
            body: encode(message, id),
            due: message.eta(now).map_or(0, Timestamp::as_millis),
            priority: message.priority().clamp(*PRIORITIES.start(), *PRIORITIES.end()),
        }
    }

    /// Under a fresh id, by which it is found all the same.
    pub(super) fn fresh(message: &Message, now: Timestamp) -> Self {
        Self::new(message, &fresh_name(message), now)
    }

    /// Under the id that a message has when it is first enqueued: whoever repeats it finds it.
    pub(super) fn first(message: &Message, now: Timestamp) -> Self {
        Self::new(message, message.message_id.as_str(), now)
    }

    /// Whether it goes to the end of the list at once.
    pub(super) fn is_plain(&self) -> bool {
        self.due == 0 && self.priority == 0
    }

    /// Appends what the scripts' `put` wants to know.
    pub(super) fn put(&self, call: &mut Call<'_>, fleet: &str) {
        call.text(self.queue.as_str())
            .text(fleet)
            .text(&self.id)
            .number(self.due)
            .number(self.priority)
            .bytes(&self.body);
    }
}

/// The bytes of a message that lies under `id`.
pub(super) fn encode(message: &Message, id: &str) -> Vec<u8> {
    let mut message = message.clone();
    message.options.set(option::REDIS_MESSAGE_ID, Raw::from(id));
    message.encode()
}
