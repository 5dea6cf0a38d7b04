//! Remembers of messages that they have ended, where their sender asks for it and no result says so.
//!
//! A mark is a key of a few bytes with a time to live. It lies beside the queues and not where results do, so that nobody reads it as
//! one: `NAMESPACE:@done:ID`.

use std::time::Duration;

use super::End;
use crate::message::{MessageId, Raw, option};
use crate::outcome::Outcome;
use crate::store::{Completion, Disposition, Effect};

/// What lies there of a message that is done.
pub(crate) const DONE: &[u8] = b"done";

/// What lies there of one that has failed for good.
pub(crate) const FAILED: &[u8] = b"failed";

/// Under which key the mark of a message lies.
pub(crate) fn key(namespace: &str, id: &MessageId) -> String {
    format!("{namespace}:@done:{id}")
}

/// Leaves a mark, where one is asked for and this is the end.
pub(crate) fn add(namespace: &str, end: &End<'_>, completion: &mut Completion) {
    let Some(message) = end.message else { return };
    let Some(ttl) = message.options.get(option::DONE_TTL).and_then(Raw::millis) else { return };
    let value = match end.outcome {
        Outcome::Value(_) | Outcome::Skipped => DONE,
        _ if matches!(completion.disposition, Disposition::DeadLetter(..)) => FAILED,
        _ => return,
    };
    completion.effects.push(Effect::Store {
        key: key(namespace, &message.message_id),
        value: value.to_vec(),
        ttl: Duration::from_millis(ttl.max(1).unsigned_abs()),
    });
}
