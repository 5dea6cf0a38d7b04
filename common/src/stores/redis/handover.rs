//! The last one out: what becomes of messages that only Rust can order when the last Rust worker of their queue leaves.
//!
//! They go back to dramatiq's own lists: what is delayed to the delay queue, by its time, and what has a priority to the head or
//! to the end of the queue. A Python worker, whether it lives already or is started later, finds them there as if a Python sender
//! had sent them; otherwise it would have to wait for the fleet's last heartbeat to become a minute old, and for the lottery by
//! which dramatiq does its upkeep. A Rust worker that comes later takes the delayed ones in again with its first beats.
//!
//! The fleet is stale for every sender from the first step on, so nothing is added to it meanwhile. A step moves a thousand at
//! most, and each message in one go: a crash in between leaves some in the list and some with the fleet, whose heartbeat is as
//! old as can be, so that Python's upkeep takes the rest over as soon as it happens, and a Rust worker at once. One that joins in
//! the middle renews the fleet's heartbeat, which ends the hand-over; what lies in the list by then it takes in.
//!
//! Whether a Python worker lives is not asked: it may be started a minute later, and nobody would be there to hand over any more.

use std::collections::HashSet;

use super::RedisStore;
use super::connection::CallError;
use super::error::from_script;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{BEAT_INTERVAL, DEAD_AFTER, Registration};

/// As many messages take a moment, so somebody may wonder what a worker that ends is waiting for.
const MANY: usize = 1_000;

/// Queues that one call looks through, at most.
const QUEUES: usize = 200;

impl RedisStore {
    /// Hands over what only Rust can order, of all queues of a worker that nobody else consumes. It `left` at this time, by the
    /// server's clock: what shows signs of life since is somebody else's.
    pub(super) async fn hand_over(&self, registration: &Registration, left: Timestamp) {
        match self.hand_over_forsaken(registration, left).await {
            Ok(moved) if moved >= MANY => {
                tracing::info!(target: "common::broker", "the last Rust worker leaves: {moved} messages with a delay or a priority moved to the lists that Python knows");
            }
            Ok(moved) => {
                tracing::debug!(target: "common::broker", moved, "what had a delay or a priority moved to the lists that Python knows");
            }
            Err(error) => {
                let error = StoreError::from(error);
                tracing::warn!(target: "common::broker", "what is delayed may wait until a Rust worker comes back: {error}");
            }
        }
    }

    /// Answers how many messages it was.
    async fn hand_over_forsaken(&self, registration: &Registration, left: Timestamp) -> Result<usize, CallError> {
        let mut moved = 0;
        let queues = self.forsaken(registration).await?;
        let mut rest = queues.as_slice();
        while !rest.is_empty() {
            let mut call = self.script(&self.scripts.handover);
            call.number(left.as_millis());
            for queue in rest.iter().take(QUEUES) {
                call.text(queue.as_str()).text(&self.keys.fleet(queue));
            }
            let (some, done, refusals): (usize, usize, Vec<(String, String)>) = call.run(&self.pulse).await?;
            moved += some;
            rest = rest.get(done..).unwrap_or_default();
            for (queue, text) in refusals {
                let error = from_script(&text);
                tracing::warn!(target: "common::broker", "what is delayed in {queue} stays with Rust's workers: {error}");
            }
        }
        Ok(moved)
    }

    /// The queues of a worker that no other living Rust worker consumes.
    async fn forsaken<'a>(&self, registration: &'a Registration) -> Result<Vec<&'a QueueName>, CallError> {
        let mut left: HashSet<&str> = registration.queues.iter().map(QueueName::as_str).collect();
        let mut offset = 0;
        while !left.is_empty() {
            let mut call = self.script(&self.scripts.consumers);
            call.duration(BEAT_INTERVAL * DEAD_AFTER).count(offset);
            let (looked, lists): (usize, Vec<String>) = call.run(&self.pulse).await?;
            if looked == 0 {
                break;
            }
            offset += looked;
            for queue in lists.iter().flat_map(|list| list.split(' ')) {
                left.remove(queue);
            }
        }
        Ok(registration.queues.iter().filter(|queue| left.contains(queue.as_str())).collect())
    }
}
