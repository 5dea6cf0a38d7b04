//! Comparing what a store says with what the model knows.

use super::Item;
use common::{
    message::{Message, option},
    store::{Body, Delivery},
};
use std::fmt;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wrong unless both are the same.
///
/// # Errors
///
/// What is there, and what should be.
pub fn differ<T: PartialEq + fmt::Debug>(what: &str, expected: &T, told: &T) -> Result<(), Wrong> {
    if expected == told { Ok(()) } else { Err(Wrong(format!("{what} should be {expected:?}, and is {told:?}"))) }
}

/// Whether a delivery can be that of a message.
pub(super) fn is_delivered(item: &Item, delivery: &Delivery) -> bool {
    let has_name = item.name.as_ref().is_none_or(|name| *name == delivery.claim.id);
    has_name
        && item.queue == delivery.claim.queue
        && (item.note.crashes(), item.note.is_marked()) == (delivery.crashes, delivery.marked)
        && match (&delivery.body, &item.raw) {
            (Ok(body), None) => is_same(&item.message, body),
            (Err(unreadable), Some(raw)) => unreadable.bytes == *raw,
            _ => false,
        }
}

/// Whether a message is the expected one; the name that Redis writes into it is its own affair.
pub(super) fn is_same(expected: &Message, told: &Message) -> bool {
    if told.options.get(option::REDIS_MESSAGE_ID).is_none() {
        return expected == told;
    }
    let mut told = told.clone();
    told.options.remove(option::REDIS_MESSAGE_ID);
    *expected == told
}

/// Whether these are the bytes of a body.
pub(super) fn is_body(expected: &Body, bytes: &[u8], now: common::clock::Timestamp) -> bool {
    match expected {
        Body::Raw(raw) => raw == bytes,
        // Most stores write what the message is, byte for byte, which is quicker to see.
        Body::Message(message) => {
            message.encode() == bytes || Message::decode(bytes, now).is_ok_and(|told| is_same(message, &told))
        }
    }
}
