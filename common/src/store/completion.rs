//! How a claim ends, as data.

use std::time::Duration;

use super::claims::Claim;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;

/// How a claim ends: where the message goes, and what else happens in the same step.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The claim that ends. Not the whole delivery: the message may be moved on.
    pub claim: Claim,
    /// Where the message goes.
    pub disposition: Disposition,
    /// What else happens, all or nothing.
    pub effects: Vec<Effect>,
}

impl Completion {
    /// The end of a claim whose message was not run.
    pub(crate) fn release(claim: Claim) -> Self {
        Self { claim, disposition: Disposition::Release, effects: Vec::new() }
    }
}

/// Where a message goes at the end of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Disposition {
    /// It is done.
    Ack,
    /// Into its queue, as it is now.
    Requeue(Message),
    /// Into its queue, at a time.
    Retry(Timestamp, Message),
    /// Into its queue, at a time, though it was not run: what is known of the deaths of its workers stays with it.
    Defer(Timestamp, Message),
    /// To the head of its queue, as it was: it was not run.
    Release,
    /// To the dead letters of its queue, with a reason.
    DeadLetter(Body, String),
    /// It is a dead letter already, and its end was still to be made ([`Unended`](super::Unended)).
    StaysDead,
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
    /// A value is kept under a key for a while, in place of what was there.
    Store {
        /// The key, as it is: without the namespace, as dramatiq has it.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// How long it is kept.
        ttl: Duration,
    },
    /// A member of a group has ended.
    Count(Count),
}

/// That a member of a group has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The group's name ([`NewGroup::name`](super::NewGroup::name)).
    pub group: String,
    /// Which member it is, from 0: one that ends twice counts once. Without, as in groups of Python's, each end counts.
    pub member: Option<u32>,
    /// How it ended.
    pub end: MemberEnd,
    /// How long the group is kept from now on, if that is longer than it is kept anyway.
    pub ttl: Duration,
    /// What is enqueued with the last member that counts, unless it is there already.
    pub then: Vec<Message>,
}

/// What became of a [`Count`] that was made [by itself](super::Store::count_members).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Nothing is known of the group (any more).
    Unknown,
    /// It is noted, or was before. Others are still to come, or another one was the last.
    Known,
    /// It has completed its group.
    Last,
    /// It had completed its group before, and has ended once more.
    LastAgain,
}

/// A value that is kept under a key for a while, in place of what was there: [`Effect::Store`], by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The key, as it is: without the namespace, as dramatiq has it.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// How long it is kept.
    pub ttl: Duration,
}

/// How a member of a group ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberEnd {
    /// It is done, and counts.
    Done,
    /// It has failed, which is noted until it is done after all.
    Failed {
        /// Whether it counts for all that.
        counts: bool,
    },
}

impl MemberEnd {
    pub(crate) fn has_failed(self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Done | Self::Failed { counts: true })
    }
}

/// What became of one completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It happened.
    Done,
    /// It happened, but for the count of its group: nothing is known of that (any more).
    Uncounted,
    /// This worker does not hold the message (any more). Nothing happened.
    ClaimLost,
    /// The store refused; nothing happened, and the worker still holds the message.
    Refused(StoreError),
    /// No answer came for it, as there was for others: it happened as a whole, or not at all. To repeat it is safe, except
    /// for [`Disposition::Release`].
    Unanswered(StoreError),
}
