//! What the consumer is told, and reacts to.

use std::fmt;

use super::ended::Ended;
use super::job::Reserved;
use super::stop::Stage;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Beat, Fetched, Finished, Unended, Wake};

/// What the loop on the I/O thread reacts to.
#[derive(Debug)]
pub(super) enum Event {
    /// Slots have left completions.
    Ended,
    /// A run was dropped in the middle.
    Dropped,
    /// What a fetch brought.
    Fetched(Result<Fetched, StoreError>),
    /// What was not run has its end, as fetched by the delivery of this number at the latest.
    Condemned(Vec<Ended>, u64),
    /// Dead letters whose end is still to be made, and the store's time of the beat that saw some.
    Unended(Result<Vec<Unended>, StoreError>, Timestamp),
    /// What became of the completions that were being stored.
    Finished(Result<Vec<Finished>, StoreError>),
    /// Whether the starts of these are recorded, or for which of them.
    Started(Vec<Reserved>, Result<Vec<bool>, StoreError>),
    /// What was held up because something had just started may start now.
    ProbationOver,
    /// It is time to offer what cannot start here to others.
    OfferDue,
    /// Since fewer slots worked than could, what waited was to be done.
    HelpOut,
    /// Others had their choice of what was requeued.
    FetchAgain,
    /// Time for a beat, as planned by the timer of this number.
    BeatDue(u64),
    Beaten(Result<Beat, StoreError>),
    Woken(Wake),
    /// The pause after a failed call is over.
    Again(Call),
    /// The last calls of a stopping worker take long.
    StillCalling,
    /// They have taken too long.
    GiveUp,
    /// The runtime that async actors run on has ended.
    RuntimeGone,
    Stop(Stage),
    TimedOut,
}

/// What can fail by itself, and pauses by itself: a worker that may not fetch still stores what has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Fetch,
    /// Recording starts.
    Start,
    Finish,
    /// A completion that the store refuses, while others in the same call are stored.
    Completion,
    /// Asking for dead letters whose end is still to be made.
    Unended,
    Beat,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch => "fetch",
            Self::Start => "start",
            Self::Finish => "finish",
            Self::Completion => "a completion",
            Self::Unended => "the ends of dead letters",
            Self::Beat => "beat",
        })
    }
}
