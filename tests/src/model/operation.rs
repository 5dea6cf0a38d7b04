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
    Enqueue 6 "enqueue"
    EnqueueSeveral 6 "enqueue several"
    EnqueuePrioritised 6 "enqueue with a priority"
    EnqueueDelayed 6 "enqueue delayed"
    EnqueueOverdue 2 "enqueue due already"
    EnqueueAgain 2 "enqueue the same once more"
    EnqueueTwin 2 "enqueue another of the same id"
    EnqueueUnanswered 2 "enqueue, answer lost"
    Join 4 "join"
    Fetch 20 "fetch"
    FetchUnanswered 3 "fetch, answer lost"
    Done 4 "finish: gone"
    DoneWithMessages 3 "finish: gone, and others enqueued"
    DoneWithResult 2 "finish: gone, and a result"
    Again 3 "finish: ready"
    Retry 4 "finish: until"
    GiveBack 4 "finish: head"
    Bury 4 "finish: dead"
    BuryBytes 2 "finish: dead, raw bytes"
    FinishSeveral 5 "finish several"
    FinishTwice 2 "finish once more"
    FinishLost 3 "finish what was lost"
    FinishUnanswered 3 "finish, answer lost"
    Tick 10 "a beat's time"
    Ticks 5 "time of some beats"
    Late 3 "a late beat"
    Minute 3 "a minute"
    Week 2 "a week"
    Crash 3 "a worker dies"
    Sleep 3 "a worker stands still"
    Wake 4 "a worker goes on"
    Leave 2 "a worker leaves"
    Cancel 5 "cancel"
    Pause 2 "pause"
    Resume 3 "resume"
    Purge 1 "purge"
    Revive 3 "revive"
    Delete 2 "delete"
    Look 2 "look"
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
