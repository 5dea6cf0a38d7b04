//! What one run of an actor knows about itself, and whether an actor finds all that it takes by reference.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

use super::state::{States, short};
use crate::clock::Stopwatch;
use crate::error::WorkerError;
use crate::message::{Message, MessageId};

/// One run of an actor: its message, and the state of its worker.
///
/// An actor that takes a `&Context` gets it like all other state.
#[derive(Clone)]
pub struct Context {
    message: Arc<Message>,
    states: Arc<States>,
    cancellation: Cancellation,
    wants_result: bool,
    /// Whether it was said already that this actor's values get lost; `None` where there is nothing to say.
    loss_is_told: Option<Arc<AtomicBool>>,
    started: Stopwatch,
    time_limit: Option<Duration>,
}

/// Why a run should end early. Of several reasons the last one of this list counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The worker is to stop, and the run is to be told so ([`RunLimits`](crate::middleware::RunLimits)): if it ends with an error, the
    /// message runs again, and uses no retry.
    Shutdown,
    /// It has run for longer than its time limit.
    TimeLimit,
    /// The worker lost its claim, or was told to stop at once: the message runs again, and this run's end counts for nothing.
    Lost,
    /// Somebody has cancelled the message: it is not run again, however this run ends.
    Cancelled,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "its worker stops",
            Self::TimeLimit => "it has run for longer than its time limit",
            Self::Lost => "its worker has lost it",
            Self::Cancelled => "somebody has cancelled it",
        })
    }
}

/// A run that should end early, as an error: for [`Context::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this run should end: {0}")]
pub struct Interrupted(pub Cause);

/// Whether a run should end early; clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Option<Arc<watch::Sender<Asked>>>);

/// What a run was told.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    cause: Option<Cause>,
    /// It had its time to end by itself.
    is_over: bool,
}

impl Cancellation {
    /// A cancellation that somebody may set.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::new(watch::Sender::new(Asked::default()))))
    }

    /// Sets it, unless a cause that counts more is set.
    pub fn cancel(&self, cause: Cause) {
        if let Some(set) = &self.0 {
            set.send_if_modified(|now| {
                let is_news = now.cause < Some(cause);
                if is_news {
                    now.cause = Some(cause);
                }
                is_news
            });
        }
    }

    /// It had its time to end by itself: an async run is dropped.
    pub(crate) fn end(&self) {
        if let Some(set) = &self.0 {
            set.send_modify(|now| now.is_over = true);
        }
    }

    /// Waits until it had its time to end by itself. Cancel safe.
    pub(crate) async fn ended(&self) {
        match &self.0 {
            Some(set) => drop(set.subscribe().wait_for(|now| now.is_over).await),
            None => std::future::pending().await,
        }
    }

    /// Why it is set; `None` while it is not.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.0.as_ref().and_then(|set| set.borrow().cause)
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cause().is_some()
    }

    /// Waits until it is set. Cancel safe.
    pub async fn cancelled(&self) {
        match &self.0 {
            // The sender lives in `self`, so the channel cannot close under us.
            Some(set) => drop(set.subscribe().wait_for(|now| now.cause.is_some()).await),
            None => std::future::pending().await,
        }
    }
}

impl Context {
    /// The context of one run.
    #[must_use]
    pub fn new(message: Arc<Message>, states: Arc<States>, cancellation: Cancellation) -> Self {
        let (wants_result, loss_is_told) = (true, None);
        Self {
            message,
            states,
            cancellation,
            wants_result,
            loss_is_told,
            started: Stopwatch::start(),
            time_limit: None,
        }
    }

    /// The same, of a run whose result somebody wants, or nobody does: then it is not encoded.
    #[must_use]
    pub fn wanting_result(self, wants_result: bool) -> Self {
        Self { wants_result, ..self }
    }

    /// The same, of a run whose value is a loss, unless it is nothing; said once for all that share this.
    pub(crate) fn telling_of_loss(self, is_told: Option<Arc<AtomicBool>>) -> Self {
        Self { loss_is_told: is_told, ..self }
    }

    /// Says that what this run returned gets lost, where that is news and `is_something`.
    pub(super) fn lose(&self, is_something: impl FnOnce() -> bool) {
        let Some(is_told) = &self.loss_is_told else { return };
        if !is_told.load(Ordering::Relaxed) && is_something() && !is_told.swap(true, Ordering::Relaxed) {
            let name = &self.message.actor_name;
            warn!(
                target: "common::run",
                "`{name}` returned a value that nobody keeps: let its attribute say `store_results = true`, or `false` where that is meant (said once of {name})"
            );
        }
    }

    /// The same, of a run that may take so long from now on.
    pub(crate) fn within(self, time_limit: Option<Duration>) -> Self {
        Self { time_limit, started: Stopwatch::start(), ..self }
    }

    /// How long this run may still take; `None` where it may take as long as it takes.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.time_limit.map(|limit| limit.saturating_sub(self.started.elapsed()))
    }

    /// For a loop that should end when its run should: `context.check()?`.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] once this run should end early, with the reason.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.cause().map_or(Ok(()), |cause| Err(Interrupted(cause)))
    }

    /// Whether somebody wants what this run returns: it is kept, or another actor hears of it.
    #[must_use]
    pub fn wants_result(&self) -> bool {
        self.wants_result
    }

    /// The message that is run.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message's id: the same in every attempt.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.message.message_id
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.message.retries().saturating_add(1)
    }

    /// Whether this run should end early: somebody has cancelled the message, the worker lost its claim on it, and another
    /// one runs it, it takes longer than its time limit, or it is to be told that its worker stops.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Why this run should end early, so that it leaves alone what another one will do, or cleans up; `None` while it should not.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cancellation.cause()
    }

    /// Waits until this run should end early. Cancel safe.
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// The worker's state of type `T`; this context itself for `T = Context`.
    ///
    /// # Panics
    ///
    /// When the worker has no such state. A worker checks that before it starts.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> &T {
        let this: &dyn Any = self;
        this.downcast_ref().or_else(|| self.states.get()).unwrap_or_else(|| {
            panic!(
                "no state of the worker is a `{}`, which the worker should have found at its start",
                type_name::<T>()
            )
        })
    }
}

/// A type that an actor takes by reference: state of its worker, or the [`Context`] of the run.
#[derive(Clone, Copy)]
pub struct Wanted {
    id: fn() -> TypeId,
    name: fn() -> &'static str,
}

impl Wanted {
    /// The type `T`.
    #[must_use]
    pub const fn of<T: Any + Send + Sync>() -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T> }
    }

    /// Whether it is the run's own context, which is always there and needs no state.
    fn is_context(&self) -> bool {
        (self.id)() == TypeId::of::<Context>()
    }
}

impl States {
    /// Checks that `actor` finds all that it wants: here, or by itself.
    ///
    /// # Errors
    ///
    /// [`WorkerError::StateMissing`] with the first type that is missing.
    pub fn check(&self, actor: &'static str, wanted: &[Wanted]) -> Result<(), WorkerError> {
        let is_there = |wanted: &Wanted| wanted.is_context() || self.has((wanted.id)());
        match wanted.iter().find(|wanted| !is_there(wanted)) {
            None => Ok(()),
            Some(wanted) => {
                Err(WorkerError::StateMissing { actor, wanted: short((wanted.name)()), states: self.names() })
            }
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("message", &self.message).finish_non_exhaustive()
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.name)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::queue_name::QueueName;

    #[test]
    fn that_values_get_lost_is_said_once() {
        let message = Message::new(QueueName::default(), "add", [], Timestamp::EPOCH);
        let context = Context::new(message.into(), Arc::default(), Cancellation::default());
        let is_told = Arc::<AtomicBool>::default();
        context.lose(|| panic!("nothing is to be said"));
        let context = context.telling_of_loss(Some(is_told.clone()));
        context.clone().lose(|| false);
        assert!(!is_told.load(Ordering::Relaxed), "nothing is no loss");
        context.lose(|| true);
        assert!(is_told.load(Ordering::Relaxed));
        context.lose(|| panic!("nobody looks again"));
    }

    #[test]
    fn what_is_missing_is_named_beside_what_is_there() {
        let mut states = States::default();
        states.add(Arc::new(5_u8)).unwrap();
        let error = states.check("send", &[Wanted::of::<Context>(), Wanted::of::<u8>()]).unwrap_err();
        assert!(error.to_string().starts_with("`send` needs `&u8`; its state has `Arc<u8>`"), "{error}");
    }
}
