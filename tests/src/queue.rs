//! What tests put into queues.

use common::{
    clock::Clock,
    message::{Entries, Message, MessageId, Raw},
    queue_name::QueueName,
};

/// A message of this moment, under a fresh id, for the queue `default`.
pub fn message(actor: &str, args: impl IntoIterator<Item = Raw>) -> Message {
    Message {
        queue_name: QueueName::default(),
        actor_name: actor.into(),
        args: args.into_iter().collect(),
        kwargs: Entries::default(),
        options: Entries::default(),
        message_id: MessageId::random(),
        message_timestamp: Clock::system().now(),
    }
}
