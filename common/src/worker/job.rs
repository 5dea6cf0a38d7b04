//! A message on its way to a slot.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::actor::{Cancellation, Declaration};
use crate::message::Message;
use crate::store::Claim;

/// A message that this worker has claimed, with the actor that it runs.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) claim: Claim,
    pub(super) message: Arc<Message>,
    pub(super) actor: &'static Declaration,
    pub(super) cancellation: Cancellation,
    /// Lower runs first.
    pub(super) priority: i32,
    /// How many workers died while they ran it.
    pub(super) crashes: u32,
    /// Whether its start is to be recorded.
    pub(super) marked: bool,
    /// How long it may run.
    pub(super) time_limit: Option<Duration>,
    /// Whether it is told that its worker stops.
    pub(super) is_told_of_stop: bool,
}

/// In which order messages run: by priority, then by arrival.
pub(super) type Turn = (i32, u64);

/// A marked message that has a slot, and waits for its start to be recorded.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) slot: usize,
    pub(super) turn: Turn,
    pub(super) job: Job,
}

/// Says that so many runs ended for nothing.
pub(super) fn warn_of_rejected(acknowledgements: usize) {
    match acknowledgements {
        1 => {
            warn!(target: "common::worker", "1 acknowledgement rejected: its claim was taken over after missed heartbeats");
        }
        many => {
            warn!(target: "common::worker", "{many} acknowledgements rejected: their claims were taken over after missed heartbeats");
        }
    }
}
