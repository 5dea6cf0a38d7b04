//! The hooks around a message's journey.
//!
//! A hook does no I/O. What happens at the end of a run is data: an [`Ending`] says where the message goes and what else
//! happens, hooks change it, and the store carries it out as one step.

use crate::actor::Declaration;
use crate::clock::Timestamp;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::store::Ending;

/// Looks at messages on their way, and may change what becomes of them.
///
/// | hook | when | where |
/// | --- | --- | --- |
/// | [`before_enqueue`](Middleware::before_enqueue) | before a message is stored, retries excepted | the sender's thread |
/// | [`before_run`](Middleware::before_run) | before an actor is called | the slot |
/// | [`ending`](Middleware::ending) | after it has returned, before its end is stored | the slot |
pub trait Middleware: Send + Sync + 'static {
    /// May change a message before it is stored.
    fn before_enqueue(&self, message: &mut Message) {
        let _ = message;
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
    fn ending(&self, run: &Run<'_>, ending: &mut Ending) {
        let _ = (run, ending);
    }
}

/// A run that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The actor.
    pub actor: &'a Declaration,
    /// The message as it was fetched.
    pub message: &'a Message,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// The slot that it ran on, from 1.
    pub slot: usize,
    /// The time when it ended.
    pub now: Timestamp,
}
