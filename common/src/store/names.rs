//! The names under which a store keeps messages.

use crate::message::{Message, MessageId};

/// A name that nothing lies under: the message's id, by which it is found, and something random behind it. What lay under
/// the id itself, or under an earlier name, may still be claimed by somebody.
pub(crate) fn fresh_name(message: &Message) -> String {
    format!("{}#{}", message.message_id, MessageId::random().short())
}
