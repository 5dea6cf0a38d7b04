//! The hooks around a message's journey.
//!
//! A hook does no I/O. What happens at the end of a run is data: an [`Completion`] says where the message goes and what else
//! happens, hooks change it, and the store carries it out as one step.

pub(crate) mod callbacks;
mod results;
mod retries;

use std::fmt;

pub use self::results::Results;
pub use self::retries::Retries;
use crate::actor::{Declaration, Target};
use crate::clock::Timestamp;
use crate::message::{Entries, Message, MessageId, Raw, option};
use crate::outcome::{Failure, Outcome};
use crate::queue_name::QueueName;
use crate::store::{Completion, Effect};

/// Looks at messages on their way, and may change what becomes of them.
///
/// | hook | when | where |
/// | --- | --- | --- |
/// | [`before_enqueue`](Middleware::before_enqueue) | before a message is stored, retries excepted | the sender's thread |
/// | [`wants_result`](Middleware::wants_result) | before an actor is called | the slot |
/// | [`before_run`](Middleware::before_run) | before an actor is called | the slot |
/// | [`ending`](Middleware::ending) | after it has returned, before its end is stored | the slot |
///
/// A hook that panics fails its message, as a panic of the actor does: the sender gets an error, and nothing is stored; a run
/// counts as failed, and the hooks of the others decide what becomes of it.
pub trait Middleware: Send + Sync + 'static {
    /// What it is called in the log: the name of its type, unless it says otherwise.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// May change a message before it is stored.
    fn before_enqueue(&self, message: &mut Message) {
        let _ = message;
    }

    /// Whether it will look at what this run returns. What nobody wants is not encoded, and seen as `null`.
    fn wants_result(&self, message: &Message, actor: &Declaration) -> bool {
        let _ = (message, actor);
        false
    }

    /// May refuse to run a message: it is dead-lettered with the reason.
    ///
    /// # Errors
    ///
    /// The reason.
    fn before_run(&self, message: &Message, actor: &Declaration, now: Timestamp) -> Result<(), String> {
        let _ = (message, actor, now);
        Ok(())
    }

    /// May change where the message goes and what else happens.
    fn ending(&self, run: &FinishedRun<'_>, completion: &mut Completion) {
        let _ = (run, completion);
    }
}

impl fmt::Debug for dyn Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A run that has ended.
#[derive(Clone, Copy)]
pub struct FinishedRun<'a> {
    /// The actor.
    pub actor: &'a Declaration,
    /// The message as it was fetched.
    pub message: &'a Message,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Whether somebody had cancelled the message by then: it is not run again.
    pub cancelled: bool,
    /// The slot that it ran on, from 1.
    pub slot: usize,
    /// The time when it ended.
    pub now: Timestamp,
    /// The actors that the worker knows by name, its own and others': messages name callbacks by their names only.
    pub find: &'a (dyn Fn(&str) -> Option<&'static Declaration> + Sync),
}

impl FinishedRun<'_> {
    /// The actor that is meant by an option of the message, else by the running actor's declaration. Messages name actors by
    /// name only: one that this worker does not know is taken to be on the message's own queue.
    #[must_use]
    pub fn target(&self, option: &str, declared: Option<Target>) -> Option<(String, QueueName)> {
        let named = self.message.options.read::<String>(option).filter(|name| !name.is_empty());
        let Some(name) = named else {
            return declared.map(|target| (target.name.to_owned(), QueueName::canonical(target.queue)));
        };
        let known = (self.find)(&name).map(|actor| QueueName::canonical(actor.queue));
        Some((name, known.unwrap_or_else(|| self.message.queue_name.clone())))
    }

    /// A message to another actor, which is sent in the same step as this run ends.
    #[must_use]
    pub fn send(&self, (actor, queue_name): (String, QueueName), args: Vec<Raw>) -> Effect {
        Effect::Enqueue(Message {
            queue_name,
            actor_name: actor.into(),
            args,
            kwargs: Entries::default(),
            options: Entries::default(),
            message_id: MessageId::random(),
            message_timestamp: self.now,
        })
    }

    /// The message with what is known about its failure.
    #[must_use]
    pub fn failed_message(&self, failure: &Failure, retries: u32) -> Message {
        let mut message = self.message.clone();
        message.options.set(option::RETRIES, Raw::from(retries));
        message.options.set(option::TRACEBACK, Raw::from(failure.text.as_str()));
        message
    }
}

impl fmt::Debug for FinishedRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actor, message, outcome, cancelled, slot, now, find: _ } = self;
        f.debug_struct("FinishedRun")
            .field("actor", actor)
            .field("message", message)
            .field("outcome", outcome)
            .field("cancelled", cancelled)
            .field("slot", slot)
            .field("now", now)
            .finish_non_exhaustive()
    }
}
