//! What a look at a store shows.

use super::claims::Claim;
use crate::clock::Timestamp;

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
    /// Whether there is something to fetch: whoever waits may have missed its wake-up.
    pub ready: bool,
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
