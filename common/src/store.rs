//! The contract between a broker and what keeps its messages.
//!
//! A message is in exactly one place: *ready* in its queue, *held* (until a time, or by its priority), *claimed* by a
//! worker, or *dead*. Every operation here moves messages from one place to another, many at a time, and each message as
//! one step: it is in the old place or in the new one, whatever breaks in between.
//!
//! ```text
//!               enqueue ┌───────┐ fetch  ┌─────────┐ finish(Gone)
//!              ────────►│ ready │───────►│ claimed │──────────────►  (gone)
//!                 │     └───────┘        └─────────┘
//!                 │      ▲  ▲  ▲          │ │ │  │
//!       (with eta)│      │  │  └──────────┘ │ │  │ finish(Dead)   ┌──────┐
//!                 │ beat │  │ finish(Ready, │ │  └───────────────►│ dead │
//!                 ▼      │  │ Head), or the │ │                   └──────┘
//!               ┌──────┐ │  │ worker died   │ │ finish(Until)
//!               │ held │─┘  └───────────────┘ │
//!               └──────┘◄─────────────────────┘
//! ```
//!
//! What every store promises stands beside each method, and is checked by `common::conformance` (feature
//! `conformance`), which somebody with a store of his own can run as well.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{DecodeError, EnqueueError, StoreError};
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;

/// A future that a store returns; boxed, so that the trait is object safe. A call moves many messages, so a box is
/// nothing.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How often a worker beats. A look at its peers that comes more than half of this late counts for nothing.
pub const BEAT_INTERVAL: Duration = Duration::from_millis(1_100);

/// How many intervals without a sign of life make a worker dead.
pub const DEAD_AFTER: u32 = 3;

/// How many deaths of its workers make a message dead.
pub const MAX_CRASHES: u32 = 5;

/// How long a dead letter is kept.
pub const DEAD_LETTER_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The priorities that a store tells apart; what lies outside counts as the nearest.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -4_000..=4_000;

/// Keeps messages, and moves them.
///
/// Futures must run to their end: dropping one leaves open whether its call happened. Only [`Store::wait`] may be
/// dropped. A broker sees to that by running all of them on its home.
pub trait Store: Send + Sync + fmt::Debug {
    /// Stores messages in their queues, in order: a delayed one ([`Message::eta`] in the future) until its time, the
    /// others at the end of their priority.
    ///
    /// A message that is already there, byte for byte, is not stored again: a sender that does not know the outcome of a
    /// call repeats it. A different message under the same id is stored beside the old one.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::NotStored`] names how many messages, from the front, are stored; [`EnqueueError::Unknown`] when the
    /// answer was lost.
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>>;

    /// Registers a worker under a fresh id, with its first beat. It may fetch from these queues and no others.
    ///
    /// # Errors
    ///
    /// What the store says; nobody is registered then, or will be taken for dead.
    fn join<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Lease, StoreError>>;

    /// Claims ready messages, at most as many as wanted of each queue: lower priorities first, then the older ones.
    /// Never waits for any.
    ///
    /// A message that this worker holds already is not delivered a second time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stranger`] when others took this worker for dead; nothing is claimed then. After a lost answer,
    /// what was claimed comes back with one of the next beats.
    fn fetch<'a>(&'a self, lease: &'a Lease, wants: &'a [Want]) -> Boxed<'a, Result<Fetched, StoreError>>;

    /// Waits until there may be something to fetch, or until a message is there that comes due before `due`, the next due
    /// time that the caller knows of. May return for nothing. Cancel safe.
    ///
    /// What was there before the call ends it as well as what comes during it.
    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake>;

    /// Ends claims: each ending moves its message to its place and carries out its effects in one step, and only if this
    /// worker still holds the message. The answers come in the order of the endings.
    ///
    /// # Errors
    ///
    /// When the answer was lost: each ending happened as a whole, or not at all. To repeat the call is safe, except for
    /// [`Place::Head`]; those that had happened answer [`Answer::Unknown`] then.
    ///
    /// # Order
    ///
    /// Messages that go to the head of a queue in one call lie there in the order of their endings.
    fn finish<'a>(&'a self, lease: &'a Lease, endings: &'a [Ending]) -> Boxed<'a, Result<Vec<Answer>, StoreError>>;

    /// Shows that this worker lives, and does all upkeep of its queues: moves due messages to their queue, recovers what
    /// dead workers held (to the head of the queue; dead after [`MAX_CRASHES`]), expires dead letters.
    ///
    /// `held` is what the worker has claimed, and not yet tried to finish. Claims that the store has and the worker does
    /// not (an answer of `fetch` was lost) go back to the head of their queue once no call can be under way any more.
    ///
    /// # Errors
    ///
    /// What the store says; the worker goes on beating.
    fn beat<'a>(&'a self, lease: &'a Lease, held: &'a [Claim]) -> Boxed<'a, Result<Beat, StoreError>>;

    /// Takes a worker off that holds nothing any more. One that still holds something stays registered, and is found dead.
    ///
    /// # Errors
    ///
    /// What the store says; the worker is found dead then, and holds nothing.
    fn leave<'a>(&'a self, lease: &'a Lease) -> Boxed<'a, Result<(), StoreError>>;
}

/// Looks inside a store, and changes nothing.
pub trait Inspect: Store {
    /// How many messages of a queue are in which place.
    ///
    /// # Errors
    ///
    /// What the store says.
    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>>;

    /// The oldest `limit` dead letters of a queue.
    ///
    /// # Errors
    ///
    /// What the store says.
    fn dead_letters<'a>(&'a self, queue: &'a QueueName, limit: usize)
    -> Boxed<'a, Result<Vec<DeadLetter>, StoreError>>;

    /// Where this store is, for people; without a password.
    fn address(&self) -> String;
}

/// Identifies a worker: random, new at each start, never configured.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A fresh random id.
    #[must_use]
    pub fn random() -> Self {
        Self(MessageId::random().as_str().into())
    }

    /// The id as the store has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub worker: WorkerId,
    /// The queues that it may fetch from.
    pub queues: Vec<QueueName>,
}

/// How many messages are wanted of a queue, at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The queue.
    pub queue: QueueName,
    /// At most so many.
    pub count: usize,
}

/// A worker's hold on one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The queue that it was fetched from, whatever the message itself says.
    pub queue: QueueName,
    /// The name under which the store holds the message.
    pub id: Arc<str>,
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The store's time: what it calls due is due, whatever another clock says.
    pub now: Timestamp,
    /// The messages, in the order in which they are to run.
    pub deliveries: Vec<Delivery>,
    /// When the next held message of these queues is due.
    pub next_due: Option<Timestamp>,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be something to fetch.
    Ready,
    /// There may be something that comes due earlier than was known: a beat tells.
    Due,
}

/// A message that was fetched, with this worker's claim on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The claim.
    pub claim: Claim,
    /// The message, or the bytes that are none.
    pub body: Result<Message, Undecodable>,
}

/// Bytes that are no message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// The bytes as they lay in the store.
    pub bytes: Vec<u8>,
    /// What is wrong with them.
    pub error: DecodeError,
}

/// How a claim ends: where the message goes, and what else happens in the same step.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The claim that ends. Not the whole delivery: the message may be moved on.
    pub claim: Claim,
    /// Where the message goes.
    pub place: Place,
    /// What else happens, all or nothing.
    pub also: Vec<Effect>,
}

/// Where a message goes at the end of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// It is done ("ack").
    Gone,
    /// Into its queue, as it is now.
    Ready(Message),
    /// Into its queue, at a time ("retry").
    Until(Timestamp, Message),
    /// To the head of its queue, as it was ("requeue"): it was not run.
    Head,
    /// To the dead letters of its queue ("nack"), with a reason.
    Dead(Body, String),
}

/// What is kept of a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A message, as it is now.
    Message(Message),
    /// The bytes as they lay in the store.
    Raw(Vec<u8>),
}

/// What happens in the same step as the end of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Another message is enqueued.
    Enqueue(Message),
}

/// What became of one ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It happened.
    Finished,
    /// This worker does not hold the message (any more). Nothing happened.
    Unknown,
    /// The store refused; nothing happened, and the worker still holds the message.
    Failed(StoreError),
}

/// What a beat found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The store's time.
    pub now: Timestamp,
    /// What the worker believed to hold, and does not: others took it for dead, and run it.
    pub lost: Vec<Claim>,
    /// When the next held message of its queues is due.
    pub next_due: Option<Timestamp>,
    /// How many messages became ready: came due, or were recovered.
    pub moved: usize,
}

/// How many messages of a queue are in which place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be fetched.
    pub ready: usize,
    /// Waiting for their time.
    pub delayed: usize,
    /// Fetched by a worker, and not finished.
    pub claimed: usize,
    /// Dead letters.
    pub dead: usize,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The name under which the store holds it.
    pub id: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why it died, where that is known.
    pub reason: Option<String>,
    /// When it died.
    pub died: Timestamp,
}
