//! Tells other actors how a message ended.
//!
//! The call is sent in the same step as the message ends: it cannot be lost, nor sent for an end that had no effect. It goes to the
//! actors that a message, or its actor, names as `on_success` and `on_failure`, with those actors' own priorities.
//!
//! | named as | hears | arguments |
//! | --- | --- | --- |
//! | `on_success` | once | the message, and what its actor returned |
//! | `on_failure` | of every failed attempt, and of a death without a run | the message, and `{"type": …, "message": …}` |
//!
//! Where a message dies without a run, `type` says why: `Rejected`, or the name of a [`DeathCause`](crate::outcome::DeathCause).
//!
//! # Source
//!
//! dramatiq 2.2, `Callbacks`: the same arguments, so an actor of either language hears of messages of both. Differs: there, nobody
//! hears of a message that dies without a run.

use super::{End, failed_message};
use crate::actor::Declaration;
use crate::message::{Message, Raw, option};
use crate::outcome::Outcome;
use crate::store::Completion;

/// Whether somebody hears of what this run returns.
pub(crate) fn wants_result(message: &Message, actor: &Declaration) -> bool {
    actor.callbacks.on_success.is_some() || message.options.get(option::ON_SUCCESS).is_some_and(Raw::is_truthy)
}

/// Tells whoever is to hear of this end.
pub(crate) fn add(end: &End<'_>, completion: &mut Completion) {
    let Some(message) = end.message else { return };
    let declared = end.run.map(|run| run.actor.callbacks).unwrap_or_default();
    if let Outcome::Value(result) = end.outcome
        && let Some(target) = end.target(option::ON_SUCCESS, declared.on_success)
    {
        completion.effects.push(end.send(target, vec![message.to_raw(), result.clone()]));
    }
    if let Some((kind, text)) = end.outcome.problem()
        && let Some(target) = end.target(option::ON_FAILURE, declared.on_failure)
    {
        // An expected error is not counted as an attempt, nor is what was none.
        let is_counted = matches!(end.outcome, Outcome::Failed(failure) if !failure.expected);
        let failed = failed_message(message, text, message.retries().saturating_add(u32::from(is_counted)));
        let error = Raw::object([("type", Raw::from(kind)), ("message", Raw::from(text))]);
        completion.effects.push(end.send(target, vec![failed.to_raw(), error]));
    }
}
