//! Tells other actors how a run ended.
//!
//! The call is sent in the same step as the run ends: it cannot be lost, nor sent for a run whose end had no effect. It goes to the
//! actors that a message, or its actor, names as `on_success` and `on_failure`.
//!
//! | named as | hears | arguments |
//! | --- | --- | --- |
//! | `on_success` | once | the message, and what its actor returned |
//! | `on_failure` | of every failed attempt | the message, and `{"type": …, "message": …}` |
//!
//! A message that could not be run at all tells nobody.
//!
//! # Source
//!
//! dramatiq 2.2, `Callbacks`: the same arguments, so an actor of either language hears of messages of both.

use super::FinishedRun;
use crate::actor::Declaration;
use crate::message::{Message, Raw, option};
use crate::outcome::Outcome;
use crate::store::Completion;

/// Whether somebody hears of what this run returns.
pub(crate) fn wants_result(message: &Message, actor: &Declaration) -> bool {
    actor.callbacks.on_success.is_some() || message.options.get(option::ON_SUCCESS).is_some_and(Raw::is_truthy)
}

/// Tells whoever is to hear of this run.
pub(crate) fn tell(run: &FinishedRun<'_>, completion: &mut Completion) {
    match run.outcome {
        Outcome::Value(result) => {
            if let Some(target) = run.target(option::ON_SUCCESS, run.actor.callbacks.on_success) {
                completion.effects.push(run.send(target, vec![run.message.to_raw(), result.clone()]));
            }
        }
        Outcome::Failed(failure) => {
            if let Some(target) = run.target(option::ON_FAILURE, run.actor.callbacks.on_failure) {
                // An expected error is not counted as an attempt.
                let retries = run.message.retries().saturating_add(u32::from(!failure.expected));
                let told = run.failed_message(failure, retries);
                let kind = Raw::from(failure.kind.as_str());
                let error = Raw::object([("type", kind), ("message", Raw::from(failure.text.as_str()))]);
                completion.effects.push(run.send(target, vec![told.to_raw(), error]));
            }
        }
        Outcome::Rejected(_) | Outcome::Skipped => {}
    }
}
