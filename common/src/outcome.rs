//! How a run of an actor ended, as data.

mod panics;
mod shared_error;
mod text;

use std::error::Error;
use std::time::Duration;

pub(crate) use self::panics::{catch, catch_async, remember_places};
pub(crate) use self::shared_error::SharedError;
pub(crate) use self::text::Bounded;
pub use self::text::{MAX_TEXT, bounded};
use crate::message::Raw;

/// How a run of an actor ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned this; a unit is [`Raw::NULL`], and so is what nobody wants
    /// ([`Middleware::wants_result`](crate::middleware::Middleware::wants_result)).
    Value(Raw),
    /// It returned an error or panicked.
    Failed(Failure),
    /// It was never called: arguments that do not fit, or no such actor. Another attempt would change nothing.
    Rejected(String),
    /// It was never called, because middleware had it [skipped](crate::middleware::Decision::Skip): it is done.
    Skipped,
    /// It was never called, and this message died all the same: for this reason, in words.
    Condemned(DeathCause, String),
}

/// Why a message dies that is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeathCause {
    /// Somebody has cancelled it while it waited.
    Cancelled,
    /// As many workers died while they ran it as may ([`Worker::max_crashes`](crate::worker::Worker::max_crashes)).
    Crashes,
    /// Nobody who met it knew its actor, for as long as is waited
    /// ([`Worker::unknown_actor_timeout`](crate::worker::Worker::unknown_actor_timeout)).
    UnknownActor,
    /// Its bytes are no message.
    Undecodable,
    /// It is too large to be fetched.
    TooLarge,
}

impl DeathCause {
    /// Its name, as callbacks and results have it in place of an error's type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "Cancelled",
            Self::Crashes => "Crashes",
            Self::UnknownActor => "UnknownActor",
            Self::Undecodable => "Undecodable",
            Self::TooLarge => "TooLarge",
        }
    }
}

impl Outcome {
    /// The same with texts of bounded length: one that was not made by `#[actor]` may have any.
    pub(crate) fn bounded(mut self) -> Self {
        let (Self::Failed(Failure { text, .. }) | Self::Rejected(text) | Self::Condemned(_, text)) = &mut self else {
            return self;
        };
        if text.len() > MAX_TEXT {
            *text = bounded(&*text);
        }
        self
    }

    /// What went wrong: the name of its kind, and what it says. `None` where nothing did.
    #[must_use]
    pub fn problem(&self) -> Option<(&str, &str)> {
        match self {
            Self::Value(_) | Self::Skipped => None,
            Self::Failed(failure) => Some((&failure.kind, &failure.text)),
            Self::Rejected(reason) => Some(("Rejected", reason)),
            Self::Condemned(cause, reason) => Some((cause.name(), reason)),
        }
    }
}

/// What is known about a failure once its type is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The error and its sources, separated by `: `; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// The name of the error's type, without its modules; for people, who should not rely on it.
    pub kind: String,
    /// The actor's `throws` matches: it expected this error, and no retry can help.
    pub expected: bool,
    /// What the actor's `retry_when` says; `None` where it has none, and the number of retries decides.
    pub retry_when: Option<bool>,
    /// The actor asked for another attempt by returning a [`Retry`], itself or as a source of its error.
    pub retry_requested: Option<Retry>,
    /// It did not return: it panicked.
    pub panicked: bool,
    /// Where it panicked, `file:line:column`; `None` where somebody has replaced the panic hook since the worker started.
    pub place: Option<String>,
    /// The work is done, and a retry would only repeat it: what was returned cannot be kept.
    pub is_final: bool,
    pub(crate) error: SharedError,
}

impl Failure {
    /// The retry that it asked for, where that is not to count.
    pub(crate) fn put_off(&self) -> Option<Retry> {
        self.retry_requested.filter(|retry| !retry.counts && !self.expected)
    }

    /// The error itself, which may be downcast; `None` after a panic, and where what the actor returned is no [`Error`], or cannot go
    /// to another thread.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.error.get()
    }
}

/// An error that asks for another attempt, without being an error to worry about.
///
/// ```
/// use common::outcome::Retry;
/// use std::time::Duration;
///
/// fn fetch_report(ready: bool) -> Result<(), Retry> {
///     if ready { Ok(()) } else { Err(Retry::after(Duration::from_secs(30))) }
/// }
/// # assert!(fetch_report(false).is_err());
/// ```
///
/// It counts as a retry, unless it is [uncounted](Retry::uncounted). A delay given here is not capped by `max_backoff`.
///
/// # Source
///
/// dramatiq 2.2, `Retry`, where each counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another attempt is asked for")]
pub struct Retry {
    /// How long to wait; the usual back-off where it is `None`.
    pub delay: Option<Duration>,
    /// Whether it counts as a retry, and this run as a failed one.
    pub counts: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { delay: None, counts: true }
    }
}

impl Retry {
    /// Another attempt after `delay`.
    #[must_use]
    pub const fn after(delay: Duration) -> Self {
        Self { delay: Some(delay), counts: true }
    }

    /// Puts the message off for `delay`, as if it had not run: no retry is spent, however often that happens, and no hook, callback or
    /// observer hears of a failure. For what is not ready yet, and for limits that others have used up.
    ///
    /// It goes before `max_retries` and `retry_when`. A message that was cancelled meanwhile is not run again, and an error that the actor's
    /// `throws` matches is one.
    ///
    /// ```
    /// use common::outcome::Retry;
    /// use std::time::Duration;
    ///
    /// fn send_in_the_morning(is_morning: bool) -> Result<(), Retry> {
    ///     if is_morning { Ok(()) } else { Err(Retry::uncounted(Duration::from_secs(3_600))) }
    /// }
    /// # assert!(send_in_the_morning(false).is_err());
    /// ```
    #[must_use]
    pub const fn uncounted(delay: Duration) -> Self {
        Self { delay: Some(delay), counts: false }
    }
}
