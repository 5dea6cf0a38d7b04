//! The contract between a broker and what keeps its messages.
//!
//! A message is in exactly one place: *ready* in its queue, *held* (until a time, or by its priority), *claimed* by a
//! worker, or *dead*. Every operation here moves messages from one place to another, many at a time, and each message as
//! one step: it is in the old place or in the new one, whatever breaks in between.
//!
//! ```text
//!               enqueue ┌───────┐ fetch  ┌─────────┐ finish(Ack)
//!              ────────►│ ready │───────►│ claimed │──────────────►  (gone)
//!                 │     └───────┘        └─────────┘
//!                 │      ▲  ▲  ▲          │ │ │  │ finish(DeadLetter) ┌──────┐
//!       (with eta)│      │  │  └──────────┘ │ │  └───────────────────►│ dead │
//!                 │ beat │  │ finish(Requeue│ │                       └──────┘
//!                 ▼      │  │ or Release),  │ │ finish(Retry
//!               ┌──────┐ │  │ or the worker │ │ or Defer)
//!               │ held │─┘  └─died──────────┘ │
//!               └──────┘◄─────────────────────┘
//! ```
//!
//! # Deaths
//!
//! Nobody can ask a dead worker what killed it, so only what *ran* when it died is blamed. Of a message that may have been
//! running, the store notes just that ([`Delivery::marked`]). Whoever runs a marked message says so first ([`Store::start`]), and only
//! a start that was recorded makes a death count ([`Delivery::crashes`]). What kills does so soon after its start, mostly: a message
//! that had run for a while when its worker recorded another start is passed over, once. A store never ends a message because of
//! deaths: it tells the count, and the worker that fetches the message knows the limit ([`MAX_CRASHES`], unless the actor or the
//! worker says otherwise).
//!
//! # Ends without a run
//!
//! What cannot be run is ended by the worker that has fetched it. Where a store makes a dead letter by itself, since its message was
//! cancelled or is too large to be fetched, it remembers that the end of that one is still to be made, by whatever worker of its
//! queue ([`Store::unended`]).
//!
//! What every store promises stands beside each method, and is checked by `common::conformance` (feature
//! `conformance`), which somebody with a store of his own can run as well.

mod claims;
mod completion;
mod delegate;
mod groups;
mod info;
mod inspect;
mod json;
mod limiters;
mod look;
mod names;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use self::claims::{Claim, Delivery, FetchRequest, Fetched, Registration, Undecodable, Unended, Wake, WorkerId};
pub use self::completion::{Body, Completion, Count, Counted, Disposition, Effect, Finished, Kept, MemberEnd};
#[doc(hidden)]
pub use self::delegate::Delegated;
pub use self::delegate::delegate;
pub use self::groups::{GROUP_TTL, GroupInfo, NewGroup};
pub use self::info::{Beat, Cancelled, Counts, DeadLetter, MessageInfo, QueueInfo, State, WorkerInfo};
pub use self::inspect::Inspect;
#[cfg(feature = "redis")]
pub(crate) use self::inspect::look_for_stored;
pub use self::limiters::{Arrival, Grant, LONGEST_LEASE, Limiters, RateLimit, Slot, SlotLimit, Within};
pub use self::look::{Look, Looked, Place};
pub(crate) use self::names::fresh_name;
use crate::clock::Timestamp;
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;

/// A future that a store returns; boxed, so that the trait is object safe. A call moves many messages, so a box is
/// nothing.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How often a worker beats, from the start of a beat to the start of the next one. A look at its peers that comes more than
/// half of this late counts for nothing; what all calls take on a slow link makes none late.
pub const BEAT_INTERVAL: Duration = Duration::from_millis(1_100);

/// How many intervals without a sign of life make a worker dead.
pub const DEAD_AFTER: u32 = 3;

/// How long a worker of Python may be silent: it shows signs of life only with its commands.
pub const PYTHON_DEAD_AFTER: Duration = Duration::from_secs(60);

/// How many deaths of its workers make a message suspect: a worker runs no other such message beside it, and starts no marked one
/// together with it, so that none of them is blamed for another one.
pub const SUSPECT_AFTER: u32 = 2;

/// After how many deaths of its workers a message is not run again, where neither its actor nor its worker says otherwise.
pub const MAX_CRASHES: u32 = 5;

/// How long a dead letter is kept.
pub const DEAD_LETTER_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many messages one look shows at most.
pub const PAGE: usize = 100;

/// Up to how many messages that go before another are counted.
pub const AHEAD_LIMIT: usize = 1_000;

/// How many messages one call of [`Inspect::purge`] deletes at most.
pub const PURGE_LIMIT: usize = 1_000;

/// The priorities that a store tells apart; what lies outside counts as the nearest.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -4_000..=4_000;

/// Keeps messages, and moves them.
///
/// Futures must run to their end: dropping one leaves open whether its call happened. Only [`Store::wait`] may be
/// dropped. A broker sees to that by running all of them on its I/O thread.
pub trait Store: Send + Sync + fmt::Debug {
    /// Stores messages in their queues, in order: a delayed one ([`Message::eta`] in the future) until its time, the
    /// others at the end of their priority.
    ///
    /// A message that is already there, byte for byte, is not stored again: a sender that does not know the outcome of a
    /// call repeats it. (One that has ended meanwhile is not there any more, and runs once more: what has ended leaves nothing
    /// behind, so a message that must not run twice says so itself, by a key of its own.) A different message under the same id
    /// is stored beside the old one.
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
    fn register<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Registration, StoreError>>;

    /// Claims ready messages, at most as many as wanted of each queue, and at most `limit` of all of them: of each queue, lower
    /// priorities first, then the older ones. Never waits for any.
    ///
    /// Where `limit` is less than what is wanted, each queue gets a share; what one leaves of it, others may have. A fetch may
    /// leave queues out, because there are too many of them, or the messages too large: [`Fetched::more`] says so, and the next
    /// fetches come to them.
    ///
    /// A message that this worker holds already is not delivered a second time.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotRegistered`] when others took this worker for dead; nothing is claimed then. After a lost answer,
    /// what was claimed comes back with one of the next beats.
    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>>;

    /// Records that this worker is about to run what it has claimed: if it dies before it has ended these claims, that counts.
    /// Wanted before a [marked](Delivery::marked) message runs; what is unmarked runs without, and is marked by it.
    ///
    /// Answers for each claim whether this worker holds it; what it does not hold is not its to run. To repeat the call is
    /// safe.
    ///
    /// # Errors
    ///
    /// What the store says; some of the starts may be recorded then.
    fn start<'a>(
        &'a self,
        registration: &'a Registration,
        claims: &'a [Claim],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>>;

    /// Waits until there may be something to fetch, or until a message is there that comes due before `due`, the next due
    /// time that the caller knows of. May return for nothing. Cancel safe.
    ///
    /// What was there before the call ends it as well as what comes during it.
    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake>;

    /// Opens a group, whose members count as they end ([`Effect::Count`]). Tells whether it is new: one that is open already stays
    /// as it is, so to repeat the call is safe.
    ///
    /// A member counts once, in the step in which it ends; with the last one, what comes after the group is enqueued in the same
    /// step, and never again.
    ///
    /// # Errors
    ///
    /// What the store says.
    fn open_group<'a>(&'a self, group: &'a NewGroup) -> Boxed<'a, Result<bool, StoreError>>;

    /// Waits until something may be ready in one of these queues whose priority goes before this one: for a worker that has fetched
    /// others already. May return for nothing. Cancel safe. Where no priorities are used, it costs a look a queue, once.
    fn wait_for_priority<'a>(&'a self, queues: &'a [QueueName], before: i32) -> Boxed<'a, ()>;

    /// Ends claims: each completion moves its message to its place and carries out its effects in one step, and only if this
    /// worker still holds the message. The answers come in the order of the completions.
    ///
    /// # Errors
    ///
    /// When the answer was lost: each completion happened as a whole, or not at all. To repeat the call is safe, except for
    /// [`Disposition::Release`]; those that had happened answer [`Finished::ClaimLost`] then. A store may answer in parts what is large:
    /// where some of them were answered and others were not, these are [`Finished::Unanswered`].
    ///
    /// # Order
    ///
    /// Messages that go to the head of a queue in one call lie there in the order of their completions.
    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>>;

    /// Keeps values without a claim, for messages that lie in another store
    /// ([`SplitStore`](crate::stores::split::SplitStore)). Answers for each, in their order; one that is refused does not touch the
    /// others. Where nobody answers, some may be kept all the same. To repeat the call is safe.
    fn keep<'a>(&'a self, values: &'a [Kept]) -> Boxed<'a, Vec<Result<(), StoreError>>>;

    /// Counts ends of members without a claim, in their order, for messages that lie in another store. Nothing is enqueued: that is
    /// up to whoever is told that a member was the last one. Answers for each; one that is refused does not touch the others.
    ///
    /// A member with a number counts once, and is told that it was the last one as often as it ends, so to repeat its count is safe.
    /// One without counts each time. Where the last one had no number, every later one without is told
    /// that it was the last one: it may be the same.
    fn count_members<'a>(&'a self, counts: &'a [Count]) -> Boxed<'a, Vec<Result<Counted, StoreError>>>;

    /// Dead letters of these queues that the store has made by itself and whose end nobody has made yet: at most `limit` of them, in any
    /// order. A worker makes it, with hooks, callbacks and results, and tells it by [`Store::finish`] as
    /// [`Disposition::StaysDead`], with what else is to happen. Only the first one who tells it has any effect; to the others,
    /// the claim was lost. A letter that is requeued, deleted or expired has no end any more.
    ///
    /// # Errors
    ///
    /// What the store says.
    fn unended<'a>(&'a self, queues: &'a [QueueName], limit: usize) -> Boxed<'a, Result<Vec<Unended>, StoreError>>;

    /// Shows that this worker lives, and does all upkeep of its queues: moves due messages to their queue, recovers what
    /// dead workers held (to the head of the queue), expires dead letters.
    ///
    /// `held` is what the worker has claimed, and not yet tried to finish. Claims that the store has and the worker does
    /// not (an answer of `fetch` was lost) go back to the head of their queue once no call can be under way any more.
    ///
    /// `waiting` are those of them that are not marked and have not started: should the worker die before its next beat, they
    /// get no mark, each of them once. (It may have started by then, and be what killed the worker.) It costs nothing where
    /// none wait; to name none is always right, as a mark costs a call and no more.
    ///
    /// # Recovery
    ///
    /// Of what a dead worker held, one whose start it had recorded counts one more death; one that is marked already, or waited, as
    /// said above, stays as it is; any other one is marked. What a worker of Python's held is marked as well: Python records no
    /// starts.
    ///
    /// # Errors
    ///
    /// What the store says; the worker goes on beating. Of one that was deregistered through this store, or never registered through
    /// it, no beat is run: it would register it again.
    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>>;

    /// Takes a worker off that holds nothing any more. One that still holds something stays registered, and is found dead.
    /// Its beat that is under way ends first.
    ///
    /// On a store that others share with this library, the last worker of a queue leaves what waits there where those others
    /// find it at once, whatever they know of delays and priorities. That may take a moment for many messages.
    ///
    /// # Errors
    ///
    /// What the store says, or what it said to the beat that was under way; the worker is found dead then, and holds nothing.
    fn deregister<'a>(&'a self, registration: &'a Registration) -> Boxed<'a, Result<(), StoreError>>;

    /// What keeps limits that many processes share; `None` where the store has none.
    fn limiters(&self) -> Option<&dyn Limiters> {
        None
    }
}
