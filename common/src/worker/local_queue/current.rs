//! What runs at the moment.

use std::time::Duration;

use super::LocalQueue;
use super::state::Running;
use crate::queue_name::QueueName;

/// A message that a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentRun {
    /// Its queue.
    pub queue: QueueName,
    /// Its actor.
    pub actor: &'static str,
    /// Its id.
    pub message_id: String,
    /// The slot that it runs on, from 1.
    pub slot: usize,
    /// For how long it has run.
    pub lasts: Duration,
}

impl LocalQueue {
    /// What runs, by slot.
    pub(in crate::worker) fn current_runs(&self) -> Vec<CurrentRun> {
        let state = self.lock();
        let runs = state.slots.iter().enumerate().filter_map(|(slot, what)| Some((slot, what.running()?)));
        let current = |(slot, run): (usize, &Running)| CurrentRun {
            queue: run.claim.queue.clone(),
            actor: run.actor.name,
            message_id: run.message.message_id.to_string(),
            slot: slot + 1,
            lasts: run.since.elapsed(),
        };
        runs.map(current).collect()
    }
}
