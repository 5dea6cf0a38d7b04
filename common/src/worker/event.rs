//! What the consumer is told, and reacts to.

use super::consumer::Call;
use super::local_queue::Reserved;
use super::stop::Stage;
use crate::error::StoreError;
use crate::store::{Beat, Fetched, Finished, Wake};

/// What the loop on the I/O thread reacts to.
#[derive(Debug)]
pub(super) enum Event {
    /// Slots have left completions.
    Ended,
    /// A run was dropped in the middle.
    Dropped,
    /// What a fetch brought.
    Fetched(Result<Fetched, StoreError>),
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
