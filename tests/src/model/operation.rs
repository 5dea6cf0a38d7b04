//! What may happen, as data.

use std::fmt;

/// One thing that happens. What it happens to is picked from what is there at that moment, by the three numbers; so any part of
/// a sequence is a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub kind: Kind,
    /// To which.
    pub picks: [u32; 3],
}

macro_rules! kinds {
    ($($kind:ident $weight:literal $name:literal)*) => {
        /// What may happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $name] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// How often it happens, beside the others.
            #[must_use]
            pub const fn weight(self) -> u64 {
                match self { $(Self::$kind => $weight,)* }
            }

            /// In words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    Enqueue 5 "enqueue"
    EnqueueSeveral 5 "enqueue several"
    EnqueuePrioritised 5 "enqueue with a priority"
    EnqueueDelayed 5 "enqueue delayed"
    EnqueueOverdue 2 "enqueue due already"
    EnqueueAgain 2 "enqueue the same once more"
    EnqueueTwin 2 "enqueue another of the same id"
    EnqueueUnanswered 2 "enqueue, answer lost"
    Register 14 "register"
    Fetch 50 "fetch"
    FetchUnanswered 8 "fetch, answer lost"
    Start 8 "start"
    Done 8 "finish: gone"
    DoneWithMessages 6 "finish: gone, and others enqueued"
    DoneWithResult 6 "finish: gone, and a result"
    DoneAsMember 8 "finish: gone, and a member of a group counted"
    Again 8 "finish: ready"
    Retry 8 "finish: until, or later"
    Release 8 "finish: head"
    ReleaseAll 6 "finish: head, all that is held"
    DeadLetter 8 "finish: dead"
    DeadLetterBytes 5 "finish: dead, raw bytes"
    FinishSeveral 12 "finish several"
    FinishTwice 6 "finish once more"
    FinishLost 5 "finish what was lost"
    FinishUnanswered 6 "finish, answer lost"
    Tick 12 "a beat's time"
    Ticks 6 "time of some beats"
    Late 3 "a late beat"
    Minute 3 "a minute"
    Week 1 "a week"
    Crash 3 "a worker dies"
    Sleep 4 "a worker stands still"
    Wake 8 "a worker goes on"
    Deregister 2 "a worker deregisters"
    Cancel 6 "cancel"
    Pause 2 "pause"
    Resume 8 "resume"
    Purge 1 "purge"
    RequeueDead 5 "requeue a dead letter"
    Delete 3 "delete"
    Look 1 "look"
    PythonSend 4 "Python: enqueue"
    PythonSendDelayed 4 "Python: enqueue delayed"
    PythonSendBytes 3 "Python: enqueue what is no message"
    PythonFetch 12 "Python: fetch"
    PythonFetchDelayed 8 "Python: fetch what is delayed"
    PythonAck 5 "Python: ack"
    PythonNack 4 "Python: nack"
    PythonRequeue 4 "Python: requeue"
    PythonPromote 5 "Python: enqueue what is due, and ack"
    PythonMaintain 6 "Python: maintenance"
    PythonDie 3 "Python: a worker dies"
    Watch 2 "a minute of beats"
    AcquireSlot 12 "acquire a slot"
    RenewSlots 6 "renew slots"
    ReleaseSlots 6 "release slots"
    PassRate 12 "pass a rate"
    CreateBarrier 4 "create a barrier"
    Arrive 8 "arrive at a barrier"
    Lapse 10 "the time until something is over"
    PythonTakeSlot 6 "Python: acquire a slot"
    PythonGiveSlotBack 4 "Python: release a slot"
    PythonCreateBarrier 2 "Python: create a barrier"
    PythonArrive 4 "Python: arrive at a barrier"
}

/// The pattern of what sends messages of its own.
macro_rules! enqueue {
    () => {
        Kind::Enqueue
            | Kind::EnqueueSeveral
            | Kind::EnqueuePrioritised
            | Kind::EnqueueDelayed
            | Kind::EnqueueOverdue
            | Kind::EnqueueUnanswered
    };
}

/// The pattern of what Python sends.
macro_rules! python_send {
    () => {
        Kind::PythonSend | Kind::PythonSendBytes | Kind::PythonSendDelayed
    };
}

/// The pattern of what ends one run.
macro_rules! finish_one {
    () => {
        Kind::Done
            | Kind::DoneWithMessages
            | Kind::DoneWithResult
            | Kind::DoneAsMember
            | Kind::Again
            | Kind::Retry
            | Kind::Release
            | Kind::DeadLetter
            | Kind::DeadLetterBytes
            | Kind::FinishUnanswered
            | Kind::FinishTwice
    };
}

/// The pattern of what is about limits and barriers.
macro_rules! limit {
    () => {
        Kind::AcquireSlot
            | Kind::RenewSlots
            | Kind::ReleaseSlots
            | Kind::PassRate
            | Kind::CreateBarrier
            | Kind::Arrive
            | Kind::Lapse
            | Kind::PythonTakeSlot
            | Kind::PythonCreateBarrier
            | Kind::PythonArrive
    };
}

pub(super) use {enqueue, finish_one, limit, python_send};

impl Kind {
    /// Those that are about messages.
    #[must_use]
    pub fn of_messages() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|kind| *kind < Self::AcquireSlot).collect()
    }

    /// Those that are about limits and barriers, with time between them; with Python's, or without.
    #[must_use]
    pub fn of_limits(python: bool) -> Vec<Self> {
        let last = if python { Self::PythonArrive } else { Self::Lapse };
        let limits = Self::ALL.iter().copied().filter(|kind| (Self::AcquireSlot..=last).contains(kind));
        limits.chain([Self::Tick, Self::Ticks, Self::Minute]).collect()
    }

    /// Those about messages that every store knows.
    #[must_use]
    pub fn without_python() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|kind| *kind < Self::PythonSend).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Operation {
    /// One of `length` things, by one of the numbers.
    #[must_use]
    pub fn pick(&self, number: usize, length: usize) -> usize {
        (self.picks[number] as usize) % length.max(1)
    }
}
