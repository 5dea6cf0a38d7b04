//! What can go wrong, and what to do about it.

use crate::queue_name::{InvalidQueueName, QueueName};

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are not even text.
    #[error("not JSON: the bytes are no UTF-8 after byte {0}; was it written by an other encoder, pickle perhaps?")]
    NotText(usize),
    /// They are no JSON, or an object of another shape.
    #[error("not a message: {0}")]
    NotAMessage(String),
}

/// A broker is used by a process that was forked from the one that connected it. Its connections did not come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this broker was connected by process {parent}, and nothing of it works in process {child}, which was forked from that: \
     fork first, then connect"
)]
pub struct Forked {
    /// The process that connected it.
    pub parent: u32,
    /// The process that used it.
    pub child: u32,
}

/// What a store could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nobody answers, or the connection broke: the call may or may not have run.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// There is no room for more; what is stored can still be worked off.
    #[error("the store is full ({0}): let workers drain it, or give it more room")]
    Full(String),
    /// Others keep the store busy for longer than a call waits; nothing happened.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The store's access rules forbid a command.
    #[error("the store forbids `{command}`{}: grant it to this user ({cause})", on(.key))]
    Denied {
        /// The key that was meant; empty where the command has none.
        key: String,
        /// The command that was refused.
        command: String,
        /// The store's own words.
        cause: String,
    },
    /// A key of ours holds something of another type.
    #[error(
        "`{key}` holds something foreign ({cause}): somebody else uses this name; move that away, or use another namespace"
    )]
    WrongKeyType {
        /// The key.
        key: String,
        /// The store's own words.
        cause: String,
    },
    /// This worker is not registered any more: others took it for dead. It beats, and goes on.
    #[error(
        "this worker is not registered: others took over after missed heartbeats; it has to beat before it fetches again"
    )]
    NotRegistered,
    /// The store was connected before a fork, by another process. Nothing happened.
    #[error(transparent)]
    Forked(#[from] Forked),
    /// Everything else, in the store's words.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// How much of a batch was stored.
fn part_of(stored: usize) -> String {
    match stored {
        0 => "nothing was stored".to_owned(),
        1 => "1 message was stored, the rest was not".to_owned(),
        _ => format!("{stored} messages were stored, the rest was not"),
    }
}

fn on(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" on `{key}`") }
}

impl StoreError {
    /// Whether waiting may help, without anybody's doing.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Full(_) | Self::Busy(_) | Self::NotRegistered)
    }
}

/// Why messages were not enqueued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// An argument that cannot travel. Nothing was stored.
    #[error("`{actor}` cannot be sent: its argument `{argument}` has no JSON form: {cause}")]
    Invalid {
        /// The actor that was called.
        actor: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// What the encoder says.
        cause: String,
    },
    /// No queue may have the name that the message names. Nothing was stored.
    #[error("`{actor}` cannot be sent: {cause}")]
    Queue {
        /// The actor that was called.
        actor: String,
        /// What is wrong with the name.
        cause: InvalidQueueName,
    },
    /// A hook of the broker's middleware refused it, or panicked. Nothing was stored.
    #[error("`{actor}` cannot be sent: the hook `before_enqueue` of `{middleware}` {cause}")]
    Hook {
        /// The actor that was called.
        actor: String,
        /// The middleware.
        middleware: &'static str,
        /// What it did, and what it said.
        cause: String,
    },
    /// The message is larger than a broker takes. Nothing was stored.
    #[error(
        "`{actor}` cannot be sent: the message takes {size} bytes, the limit is {limit}; store the data elsewhere and send its name"
    )]
    TooLarge {
        /// The actor that was called.
        actor: String,
        /// Bytes of the encoded message.
        size: usize,
        /// The broker's limit.
        limit: usize,
    },
    /// Only the first `stored` messages were stored; for the rest nothing happened.
    #[error("{}: {cause}", part_of(*.stored))]
    NotStored {
        /// How many of the messages, from the front, are stored.
        stored: usize,
        /// What the store says.
        cause: StoreError,
    },
    /// The broker was connected before a fork, by another process. Nothing was stored.
    #[error(transparent)]
    Forked(#[from] Forked),
    /// The connection broke before the answer came. Sending the same [`Call`](crate::call::Call) again is safe: it stays the same
    /// message, and is not stored a second time while the first one is there. When that one was stored, and has ended by then,
    /// nothing is left to know it by, and the message runs once more.
    #[error("whether the message was stored is unknown ({0}); sending the same call again is safe")]
    Unknown(StoreError),
}

/// What is said of a message whose result has not come.
fn why(explanation: Option<&str>) -> &str {
    explanation.unwrap_or("it is nowhere any more, or never was; does its actor say `store_results = true`?")
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// Nothing was kept in time.
    #[error("no result of {message} within {timeout:?}: {}", why(.explanation.as_deref()))]
    Timeout {
        /// The message, as a call.
        message: String,
        /// How long was waited.
        timeout: std::time::Duration,
        /// Where it is, and why, from one look after that; `None` where it is nowhere: it has ended, and keeps no result, or no more.
        explanation: Option<String>,
    },
    /// Nobody says that results of this actor are kept, so there is nothing to wait for.
    #[error(
        "results of `{0}` are not kept: let its attribute say `store_results = true`, or the call `.store_results(…)`, \
         or the broker `Results {{ store_results: true, .. }}`"
    )]
    NotKept(String),
    /// The actor failed for good.
    #[error("the actor failed: {kind}: {text}")]
    Failed {
        /// The name of the error's type, for people.
        kind: String,
        /// The error's text.
        text: String,
    },
    /// Members of a group are left after the time that was waited for them.
    #[error("{left} members of the group are left after {timeout:?}: {done} are done, {failed} have failed")]
    Left {
        /// How long was waited.
        timeout: std::time::Duration,
        /// How many are done.
        done: u32,
        /// How many have failed for good.
        failed: u32,
        /// How many have not ended.
        left: u32,
    },
    /// Nobody counts the members of this group, so there is nothing to wait for.
    #[error(
        "the members of this group are not counted: let it be `.tracked()`; or they were, and that was too long ago"
    )]
    NotCounted,
    /// What the actor returned is of another type than it is read as.
    #[error("the actor returned something else: {0}")]
    Unreadable(String),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a worker could not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Two actors have one name.
    #[error(
        "two actors are called `{name}`: one at {first}, one at {second}; rename one, or give it a name of its own: `#[actor(name = \"…\")]`"
    )]
    NameTaken {
        /// The name.
        name: &'static str,
        /// Where the first one is declared.
        first: &'static str,
        /// Where the second one is declared.
        second: &'static str,
    },
    /// An actor takes a reference to something that is no state of the worker.
    #[error("`{actor}` needs `&{wanted}`; its state has {states}; add `.state(…)` to the worker")]
    StateMissing {
        /// The actor.
        actor: &'static str,
        /// The type it wants.
        wanted: String,
        /// The types of its state.
        states: String,
    },
    /// Two states have one type.
    #[error("two states of the worker are `{0}`; an actor could not tell which one it gets")]
    StateTwice(String),
    /// An actor is declared to run elsewhere, and has no code here.
    #[error(
        "`{actor}` runs elsewhere: it is declared with `#[actor(remote)]` at {place}; add it by `.remote_actors(actors![…])`, not by `.actors(…)`"
    )]
    Remote {
        /// The actor.
        actor: &'static str,
        /// Where it is declared.
        place: &'static str,
    },
    /// Nothing to do: no actors.
    #[error("the worker has no actors: add `.actors(actors![…])`")]
    NoActors,
    /// The worker is to consume a queue that none of its actors is on.
    #[error("no actor of this worker is on queue `{queue}`; its actors are on {queues}")]
    UnknownQueue {
        /// The queue.
        queue: String,
        /// The queues of its actors.
        queues: String,
    },
    /// The worker is to consume none of the queues of its actors.
    #[error("the worker was given an empty list of queues; its actors are on {0}")]
    NoQueues(String),
    /// A number is outside of its bounds.
    #[error("{what} has to be from {low} to {high}, not {given}")]
    OutOfBounds {
        /// What the number is for.
        what: &'static str,
        /// What was given.
        given: usize,
        /// The least.
        low: usize,
        /// The most.
        high: usize,
    },
    /// An async actor has nowhere to run.
    #[error("`{0}` is async, and needs a tokio runtime: run the worker inside of one; sync actors need none")]
    NoRuntime(&'static str),
    /// An actor asks for a queue whose name breaks the rule.
    #[error("actor `{actor}`: {cause}")]
    Queue {
        /// The actor.
        actor: &'static str,
        /// What is wrong with the name.
        cause: InvalidQueueName,
    },
    /// The store refused, and waiting will not help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Forked> for WorkerError {
    fn from(forked: Forked) -> Self {
        Self::Store(forked.into())
    }
}

/// Why a broker could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is none that a store understands.
    #[error(
        "`{url}` is no broker: {reason}; valid forms: `redis://HOST:PORT/DB`, `rediss://HOST:PORT/DB`, \
         `redis+unix:///PATH`, `sqlite:PATH` and `memory:`"
    )]
    Url {
        /// What was given, without a password.
        url: String,
        /// The part that is wrong.
        reason: String,
    },
    /// Nobody answers there, or whoever does is of no use: a wrong password, a file that is no database.
    #[error("{}", unreachable(.url, .cause))]
    Unreachable {
        /// Where, without a password.
        url: String,
        /// What happened.
        cause: StoreError,
    },
    /// One of the other places that it was told of: for results, or for groups.
    #[error("{setting}: {cause}")]
    Elsewhere {
        /// Which one: the name of the builder's method, `results_at` or `groups_at`.
        setting: &'static str,
        /// What is wrong with it.
        cause: Box<Self>,
    },
}

fn unreachable(url: &str, cause: &StoreError) -> String {
    match cause {
        StoreError::Unreachable(_) => format!("no broker answers at {url}: {cause}"),
        _ => format!("the broker at {url} cannot be used: {cause}"),
    }
}

/// A dead letter's reason: nobody runs such messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no actor `{actor}` in this worker, which consumes queue {queue}")]
pub struct UnknownActor {
    /// The name that was called.
    pub actor: String,
    /// The queue that the message came from.
    pub queue: QueueName,
}
