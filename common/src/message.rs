//! One call, as it travels.
//!
//! A [`Message`] has dramatiq's seven fields and nothing else. Arguments and options are kept as raw JSON text by
//! element, and typed only when somebody reads them: integers of thirty digits, `1e400`, lone surrogates and options that
//! only others understand pass through byte for byte. [`decode`](Message::decode) reads everything that Python writes,
//! [`encode`](Message::encode) writes what Python reads.
//!
//! This module knows neither actors nor stores, and no clock.

mod entries;
mod floats;
mod json;
mod loose;
mod membership;
mod nonstandard;
mod number;
mod raw;
mod wire;

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

pub use self::entries::Entries;
pub(crate) use self::membership::Membership;
pub use self::raw::{ParseError, Raw};
use crate::clock::Timestamp;
use crate::queue_name::QueueName;

/// Identifies a message for good: it stays the same through delays and retries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// A fresh random id: a UUID of version 4.
    #[must_use]
    pub fn random() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        Self(text.into())
    }

    /// The id as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first eight characters, enough for a person to follow it through a log.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.char_indices().nth(8).map_or(&self.0, |(end, _)| &self.0[..end])
    }
}

impl From<&str> for MessageId {
    /// Any text is an id: dramatiq does not insist on UUIDs.
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One call of an actor, as it travels.
///
/// # Source
///
/// dramatiq 2.2, `Message`: the same fields in the same order.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The queue it belongs to; written as the plain name, whatever delay queue it came from.
    pub queue_name: QueueName,
    /// The actor that is called.
    pub actor_name: Arc<str>,
    /// Positional arguments.
    pub args: Vec<Raw>,
    /// Arguments by keyword.
    pub kwargs: Entries,
    /// What middleware and brokers keep with the message; see the constants in [`option`].
    pub options: Entries,
    /// Stays the same through delays and retries.
    pub message_id: MessageId,
    /// When the message was first built; it never changes later.
    pub message_timestamp: Timestamp,
}

/// The largest message that a broker takes, in bytes of arguments and options.
pub const MAX_MESSAGE_SIZE: usize = 16 * 1024 * 1024;

/// The names of options that this library reads or writes, spelt as dramatiq spells them.
pub mod option {
    /// When a delayed message is due: milliseconds since the epoch.
    pub const ETA: &str = "eta";
    /// How many retries there were.
    pub const RETRIES: &str = "retries";
    /// The last error, as text.
    pub const TRACEBACK: &str = "traceback";
    /// When the last retry was put on its way: milliseconds since the epoch.
    pub const REQUEUE_TIMESTAMP: &str = "requeue_timestamp";
    /// How many retries there may be; `null` is without end.
    pub const MAX_RETRIES: &str = "max_retries";
    /// The first retry's least wait, in milliseconds.
    pub const MIN_BACKOFF: &str = "min_backoff";
    /// The longest wait, in milliseconds.
    pub const MAX_BACKOFF: &str = "max_backoff";
    /// The actor that hears about the last failure.
    pub const ON_RETRY_EXHAUSTED: &str = "on_retry_exhausted";
    /// Whether the result is kept.
    pub const STORE_RESULTS: &str = "store_results";
    /// How long the result is kept, in milliseconds.
    pub const RESULT_TTL: &str = "result_ttl";
    /// How long it is remembered that the message is done, in milliseconds. Not of dramatiq, which passes it on.
    pub const DONE_TTL: &str = "done_ttl";
    /// The actor that hears of success.
    pub const ON_SUCCESS: &str = "on_success";
    /// The actor that hears of every failed attempt.
    pub const ON_FAILURE: &str = "on_failure";
    /// The name under which Redis holds the message; it changes with every write of a new body.
    pub const REDIS_MESSAGE_ID: &str = "redis_message_id";
    /// Lower runs first, 0 is the usual one. Ours: dramatiq passes it on and does not look at it.
    pub const PRIORITY: &str = "priority";
    /// Since when the message waits for a worker that knows its actor: milliseconds since the epoch. Ours, as `priority`.
    pub const UNKNOWN_SINCE: &str = "unknown_since";
    /// The message that comes next in a pipeline, and gets the result as its last argument.
    pub const PIPE_TARGET: &str = "pipe_target";
    /// Of a message that comes next in a pipeline: it does without the result of the one before it.
    pub const PIPE_IGNORE: &str = "pipe_ignore";
    /// Of a message that comes next in a pipeline: how long it waits from the end of the one before it, in milliseconds.
    pub const DELAY: &str = "delay";
    /// The group that a message is a member of: the name of its counter.
    pub const GROUP_COMPLETION_UUID: &str = "group_completion_uuid";
    /// What is sent once all members of the group are done: a list of messages.
    pub const GROUP_COMPLETION_CALLBACKS: &str = "group_completion_callbacks";
    /// Which member of its group a message is, from 0: it counts once. Not of dramatiq, which passes it on.
    pub const GROUP_MEMBER: &str = "group_member";
    /// Whether a member of a group counts as well when it has failed for good. Not of dramatiq.
    pub const GROUP_COUNT_FAILURES: &str = "group_count_failures";
    /// How old a message may be when it is run, in milliseconds from when it was first built.
    pub const MAX_AGE: &str = "max_age";
    /// How long a run may take, in milliseconds.
    pub const TIME_LIMIT: &str = "time_limit";
    /// Whether a run is told that its worker stops.
    pub const NOTIFY_SHUTDOWN: &str = "notify_shutdown";
    /// Errors that are not retried; of a message, no encoder can write them. Not honoured here: an actor's are.
    pub const THROWS: &str = "throws";
}

impl Message {
    /// A call, as a sender builds it `now`: with a fresh random id, no keywords and no options.
    #[must_use]
    pub fn new(
        queue: QueueName,
        actor: impl Into<Arc<str>>,
        args: impl IntoIterator<Item = Raw>,
        now: Timestamp,
    ) -> Self {
        Self {
            queue_name: queue,
            actor_name: actor.into(),
            args: args.into_iter().collect(),
            kwargs: Entries::default(),
            options: Entries::default(),
            message_id: MessageId::random(),
            message_timestamp: now,
        }
    }

    /// How many retries there were; what is no number counts as none.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both ends are cut off")]
    pub fn retries(&self) -> u32 {
        self.options.get(option::RETRIES).and_then(Raw::number).map_or(0, |retries| retries as u32)
    }

    /// Lower runs first; what is no number counts as 0.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.own_priority().unwrap_or(0)
    }

    /// The priority that the message itself names, if it names one.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both ends are cut off")]
    pub fn own_priority(&self) -> Option<i32> {
        self.options.get(option::PRIORITY).and_then(Raw::number).map(|priority| priority as i32)
    }

    /// Keeps its names where another message has the same ones.
    pub(crate) fn share_names(&mut self, other: &Self) {
        if self.queue_name == other.queue_name {
            self.queue_name = other.queue_name.clone();
        }
        if self.actor_name == other.actor_name {
            self.actor_name = other.actor_name.clone();
        }
    }

    /// Roughly how many bytes it takes: those of its arguments and options.
    #[must_use]
    pub fn size(&self) -> usize {
        let named = self.kwargs.iter().chain(self.options.iter()).map(|(key, value)| key.len() + value.as_str().len());
        self.args.iter().map(|value| value.as_str().len()).chain(named).sum()
    }

    /// When it is due: `None` for at once, and the given `now` where the option is something that is no time.
    ///
    /// # Source
    ///
    /// dramatiq 2.2, which treats a bad `eta` as the present.
    #[must_use]
    pub fn eta(&self, now: Timestamp) -> Option<Timestamp> {
        let eta = self.options.get(option::ETA)?;
        if eta.is_null() {
            return None;
        }
        Some(eta.millis().map_or(now, Timestamp::from_millis))
    }

    /// Sets when it is due.
    pub fn set_eta(&mut self, eta: Option<Timestamp>) {
        match eta {
            Some(eta) => self.options.set(option::ETA, Raw::from(eta.as_millis())),
            None => self.options.remove(option::ETA),
        }
    }
}

impl fmt::Display for Message {
    /// `actor(1, "a", k=2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.actor_name)?;
        let mut separator = "";
        for value in &self.args {
            write!(f, "{separator}{value}")?;
            separator = ", ";
        }
        for (key, value) in self.kwargs.iter() {
            write!(f, "{separator}{key}={value}")?;
            separator = ", ";
        }
        f.write_str(")")
    }
}
