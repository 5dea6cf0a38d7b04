//! The hooks around a message's journey.
//!
//! A hook does no I/O. What happens at the end of a message is data: a [`Completion`] says where it goes and what else happens, hooks
//! change it, and the store carries it out as one step. Who only wants to know what happened is an
//! [`Observer`](crate::observe::Observer).

pub(crate) mod callbacks;
pub(crate) mod groups;
mod limits;
pub(crate) mod marks;
pub(crate) mod pipelines;
mod results;
mod retries;

use std::error::Error;
use std::fmt;
use std::time::Duration;

pub use self::limits::RunLimits;
pub use self::results::Results;
pub use self::retries::Retries;
use crate::actor::{Declaration, Target};
use crate::clock::Timestamp;
use crate::message::{Message, Raw, option};
use crate::outcome::Outcome;
use crate::queue_name::QueueName;
use crate::store::{Completion, Effect};

/// What a hook fails with: any error, or a text (`Err("no tenant".into())`).
pub type HookError = Box<dyn Error + Send + Sync>;

/// Looks at messages on their way, and may change what becomes of them.
///
/// | hook | when | where |
/// | --- | --- | --- |
/// | [`before_enqueue`](Middleware::before_enqueue) | before a message is stored that somebody sends, or that an end sends | the sender's thread; the slot |
/// | [`before_run`](Middleware::before_run) | before an actor is called | the slot |
/// | [`wants_result`](Middleware::wants_result) | before an actor is called | the slot |
/// | [`around`](Middleware::around) | around an actor's run, and what comes after it | the slot |
/// | [`ending`](Middleware::ending) | after it has returned, or where a message dies without a run; before that is stored | the slot; a thread of its own |
///
/// All run in the order in which the middleware was added. When a run has ended, the [retry policy](Retries) decides first; middleware
/// amends that; then callbacks are sent and results kept. What dies without a run ([`Outcome::Condemned`]) ends in the same way, in a
/// worker of its queue: endings, callbacks, results.
///
/// A hook that panics or fails does so for its message alone: the sender gets an error, and nothing is stored; a run counts as failed,
/// the policy decides about that failure, and the hooks of the others amend it. What a hook refuses to have sent is not sent.
///
/// # Examples
///
/// A tenant that goes with a message, into the task-local and the span of its run, and on to what the run sends:
///
/// ```
/// use common::message::{Message, Raw};
/// use common::middleware::{HookError, Middleware, Run};
///
/// tokio::task_local! {
///     static TENANT: String;
/// }
///
/// struct Tenants;
///
/// impl Middleware for Tenants {
///     fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
///         let tenant = TENANT.try_with(String::clone).map_err(|_| "no tenant")?;
///         message.options.set("tenant", Raw::from(tenant.as_str()));
///         Ok(())
///     }
///
///     fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
///         let tenant: String = run.message.options.read("tenant").unwrap_or_default();
///         let span = tracing::info_span!("tenant", tenant);
///         TENANT.sync_scope(tenant, || span.in_scope(step));
///     }
/// }
/// # let _ = Tenants;
/// ```
///
/// A deadline, after which a message is not worth running:
///
/// ```
/// use common::middleware::{Decision, Middleware, Run};
///
/// struct Deadline;
///
/// impl Middleware for Deadline {
///     fn before_run(&self, run: &Run<'_>) -> Decision {
///         let deadline: Option<i64> = run.message.options.read("deadline");
///         if deadline.is_some_and(|deadline| run.started.as_millis() > deadline) { Decision::Skip } else { Decision::Run }
///     }
/// }
/// # let _ = Deadline;
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// What it is called in the log: the name of its type, unless it says otherwise.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// May change a message before it is stored: one that is sent, or that an end sends. Not retries, which are the same
    /// message.
    ///
    /// # Errors
    ///
    /// Why it must not be sent: the sender's error; of what the end of a run sends, the run's failure, unless it has
    /// failed already.
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        let _ = message;
        Ok(())
    }

    /// Whether it will look at what this run returns. What nobody wants is not encoded, and seen as `null`.
    fn wants_result(&self, message: &Message, actor: &Declaration) -> bool {
        let _ = (message, actor);
        false
    }

    /// May decide that a message is not run, or not now.
    fn before_run(&self, run: &Run<'_>) -> Decision {
        let _ = run;
        Decision::Run
    }

    /// Goes around a run, for what has to be so meanwhile: a span, a task-local, a measurement. A `step` is the whole call of a sync
    /// actor; of an async one, each time that it is polled; and afterwards, what the hooks at its end do. That is the only step of a
    /// message which dies without a run. It has to be called, once.
    fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
        let _ = run;
        step();
    }

    /// May change where the message goes and what else happens. One that has died in the store, because it was cancelled or is too
    /// large, stays dead.
    ///
    /// # Errors
    ///
    /// Why the run counts as failed. What had failed or died already has its own reason.
    fn ending(&self, end: &End<'_>, completion: &mut Completion) -> Result<(), HookError> {
        let _ = (end, completion);
        Ok(())
    }
}

/// What becomes of a message that is about to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It runs, if all others say so too.
    #[default]
    Run,
    /// It waits in the broker for so long, and no retry is spent.
    Later(Duration),
    /// It is done, without having run.
    Skip,
    /// It becomes a dead letter, for this reason, without having run.
    Reject(String),
}

/// A run of an actor, or what would have been one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Run<'a> {
    /// The actor; `actor.options` is what its attribute says to middleware.
    pub actor: &'static Declaration,
    /// The message as it was fetched.
    pub message: &'a Message,
    /// The slot that it runs on, from 1; `None` for a message that dies without a run.
    pub slot: Option<usize>,
    /// When it began.
    pub started: Timestamp,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        actor: &'static Declaration,
        message: &'a Message,
        slot: Option<usize>,
        started: Timestamp,
    ) -> Self {
        Self { actor, message, slot, started }
    }

    /// Which attempt it is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.message.retries().saturating_add(1)
    }

    /// Since when the message could have run: since it was due, or else sent. `None` for a retry that something else promoted, which
    /// knows neither.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        let since = match self.message.eta(self.started) {
            Some(due) => due,
            None if self.message.options.get(option::REQUEUE_TIMESTAMP).is_some() => return None,
            None => self.message.message_timestamp,
        };
        Some(self.started.since(since))
    }
}

impl fmt::Debug for dyn Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a message has ended that was fetched: by a run, or without one.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct End<'a> {
    /// The queue that it was fetched from.
    pub queue: &'a QueueName,
    /// The message as it was fetched; `None` where its bytes are none, or too many to be fetched.
    pub message: Option<&'a Message>,
    /// Its run, or what would have been one; `None` where there is no message, or this worker does not know its actor.
    pub run: Option<Run<'a>>,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// How long its actor took; zero where that was not called.
    pub took: Duration,
    /// Whether somebody had cancelled the message by then: it is not run again.
    pub cancelled: bool,
    /// The time when it ended.
    pub now: Timestamp,
    /// The actors that the worker knows by name, its own and others': messages name callbacks by their names only.
    pub find: &'a (dyn Fn(&str) -> Option<&'static Declaration> + Sync),
}

impl End<'_> {
    /// The actor that is meant by an option of the message, else by its own actor's declaration. Messages name actors by name
    /// only: one that this worker does not know is taken to be on the message's own queue.
    #[must_use]
    pub fn target(&self, option: &str, declared: Option<Target>) -> Option<Recipient> {
        let named = self.message.and_then(|message| message.options.read::<String>(option));
        let Some(name) = named.filter(|name| !name.is_empty()) else {
            let recipient = |Target { name, queue, priority }| Recipient {
                actor: name.to_owned(),
                queue: QueueName::canonical(queue),
                priority,
            };
            return declared.map(recipient);
        };
        let known = (self.find)(&name).map(|actor| (QueueName::canonical(actor.queue), actor.priority));
        let own = || self.message.map_or_else(|| self.queue.clone(), |message| message.queue_name.clone());
        let (queue, priority) = known.unwrap_or_else(|| (own(), 0));
        Some(Recipient { actor: name, queue, priority })
    }

    /// A message to another actor, which is sent in the same step as this one ends.
    #[must_use]
    pub fn send(&self, recipient: Recipient, args: Vec<Raw>) -> Effect {
        let Recipient { actor, queue, priority } = recipient;
        let mut message = Message::new(queue, actor, args, self.now);
        if priority != 0 {
            message.options.set(option::PRIORITY, Raw::from(i64::from(priority)));
        }
        Effect::Enqueue(message)
    }
}

/// An actor that a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its name on the wire.
    pub actor: String,
    /// Its queue.
    pub queue: QueueName,
    /// Its priority, where that is known.
    pub priority: i32,
}

impl fmt::Debug for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, message, run, outcome, took, cancelled, now, find: _ } = self;
        f.debug_struct("End")
            .field("queue", queue)
            .field("message", message)
            .field("run", run)
            .field("outcome", outcome)
            .field("took", took)
            .field("cancelled", cancelled)
            .field("now", now)
            .finish_non_exhaustive()
    }
}

/// A message with what is known about its failure.
fn failed_message(message: &Message, text: &str, retries: u32) -> Message {
    let mut message = message.clone();
    message.options.set(option::RETRIES, Raw::from(retries));
    message.options.set(option::TRACEBACK, Raw::from(text));
    message
}
