//! Sends the next step of a pipeline.
//!
//! It stands in the message that is to come before it, whole ([`option::PIPE_TARGET`]), and is sent in the same step as that one ends
//! well: it cannot be lost, nor sent for an end that had no effect. It keeps its id, so that a step which was done twice sends the
//! same message twice, and a store that has it takes it for what it is.
//!
//! | option, of whom | meaning |
//! | --- | --- |
//! | `pipe_ignore`, the next step; the actor that has run | the result does not become its last argument |
//! | `delay`, the next step | how long it waits, from now, in milliseconds |
//!
//! # Source
//!
//! dramatiq 2.2, `Pipelines`: the same options, so the steps of one pipeline may run in either language. Differs: there, a next step
//! that cannot be sent ends the pipeline in silence. Here, a message whose next step is no message is not run, and a result that makes
//! it too large is the failure of the message, which no retry repeats.

use std::time::Duration;

use super::End;
use crate::actor::Declaration;
use crate::clock::Timestamp;
use crate::message::{MAX_MESSAGE_SIZE, Message, Raw, option};
use crate::outcome::{Failure, Outcome, bounded};
use crate::store::{Completion, Disposition, Effect};

/// The next step as it stands in a message, if there is one.
fn target(message: &Message) -> Option<&Raw> {
    message.options.get(option::PIPE_TARGET).filter(|target| target.is_truthy())
}

fn read(target: &Raw, now: Timestamp) -> Result<Message, String> {
    let message = Message::decode(target.as_str().as_bytes(), now).map_err(|error| error.to_string())?;
    message.queue_name.check().map_err(|error| error.to_string())?;
    Ok(message)
}

/// Why a message must not be run: nothing could come after it.
pub(crate) fn refusal(message: &Message, now: Timestamp) -> Option<String> {
    let cause = read(target(message)?, now).err()?;
    Some(bounded(format_args!("the next step of its pipeline (`pipe_target`) cannot be sent: {cause}")))
}

/// Whether the next step takes what this run returns.
pub(crate) fn wants_result(message: &Message, actor: &Declaration) -> bool {
    target(message).is_some() && !actor.pipe_ignore
}

/// Sends the next step, where the message is done.
///
/// # Errors
///
/// It cannot be sent.
pub(crate) fn add(end: &End<'_>, completion: &mut Completion) -> Result<(), Failure> {
    let (Some(message), Outcome::Value(result), Disposition::Ack) = (end.message, end.outcome, &completion.disposition)
    else {
        return Ok(());
    };
    let Some(target) = target(message) else { return Ok(()) };
    let mut next = read(target, end.now).map_err(|cause| failure("pipe_target", &cause))?;
    let is_ignored = |message: &Message| message.options.get(option::PIPE_IGNORE).is_some_and(Raw::is_truthy);
    if !is_ignored(&next) && !end.run.is_some_and(|run| run.actor.pipe_ignore) {
        next.args.push(result.clone());
    }
    let delay = next.options.get(option::DELAY).and_then(Raw::millis).and_then(|delay| u64::try_from(delay).ok());
    if let Some(delay) = delay.filter(|delay| *delay > 0) {
        next.set_eta(Some(end.now + Duration::from_millis(delay)));
    }
    let size = next.size();
    if size > MAX_MESSAGE_SIZE {
        let cause = format!("with this result it takes {size} bytes, and {MAX_MESSAGE_SIZE} at most can be sent");
        return Err(failure(&next.actor_name, &cause));
    }
    completion.effects.push(Effect::Enqueue(next));
    Ok(())
}

/// The work is done, and a retry would only repeat it.
fn failure(next: &str, cause: &str) -> Failure {
    Failure {
        text: bounded(format_args!("the next step of its pipeline, `{next}`, cannot be sent: {cause}")),
        kind: "pipeline".to_owned(),
        is_final: true,
        ..Failure::default()
    }
}
