//! What becomes of the dead, and of what they held.

use std::time::Duration;

use super::scripts::read;
use super::upkeep::MAX_ROUNDS;
use super::{CHUNK, RedisStore};
use crate::error::StoreError;
use crate::store::{Lease, MAX_CRASHES};
use crate::stores::looks::Peer;

/// How long a message's crashes are remembered.
const REMEMBER_CRASHES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl RedisStore {
    /// Gives back what a dead worker held, as far as it lies in queues that are ours to look after.
    pub(super) async fn recover(&self, lease: &Lease, peer: &Peer, may_scan: &mut bool) -> Result<usize, StoreError> {
        let names = match &peer.queues {
            Some(queues) => queues.clone(),
            None => lease.queues.iter().flat_map(|queue| [queue.to_string(), queue.delay()]).collect(),
        };
        let reason = format!("its worker died {MAX_CRASHES} times");
        let mut recovered = 0;
        let mut is_done = false;
        for _ in 0..MAX_ROUNDS {
            let mut call = self.script(&self.scripts.recover);
            call.text(&peer.id).text(&peer.score).number(MAX_CRASHES);
            call.number(u32::try_from(REMEMBER_CRASHES.as_secs()).unwrap_or(u32::MAX)).text(&reason);
            call.text(if peer.queues.is_some() { "bury" } else { "" });
            for name in &names {
                call.text(name);
            }
            let (moved, has_more): (usize, bool) = call.run(&self.link).await?;
            recovered += moved;
            if !has_more {
                is_done = true;
                break;
            }
        }
        if recovered > 0 {
            tracing::warn!(peer = peer.id, count = recovered, "a worker died; its messages are back in their queues");
        }
        // A dead Python worker may hold messages of queues that others look after: its heartbeat stays until nothing is
        // left of it. That is looked up for one of them a beat.
        if peer.queues.is_none() && is_done {
            if !std::mem::take(may_scan) {
                return Ok(recovered);
            }
            if !self.has_claims(&peer.id).await? {
                let mut call = self.script(&self.scripts.forget);
                call.text(&peer.id).text(&peer.score);
                call.run::<bool>(&self.link).await?;
            }
        }
        if is_done {
            self.with_upkeep(&lease.worker, |upkeep| upkeep.looks.settle(peer));
        }
        Ok(recovered)
    }

    /// Whether there is any set of claims of a worker.
    async fn has_claims(&self, worker: &str) -> Result<bool, StoreError> {
        let pattern = self.keys.claims_pattern(worker);
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(CHUNK);
            let (next, found): (String, Vec<Vec<u8>>) = read(self.link.call(&scan).await?)?;
            if !found.is_empty() {
                return Ok(true);
            }
            if next == "0" {
                return Ok(false);
            }
            cursor = next;
        }
    }

    /// Finds registrations that lost their heartbeat.
    pub(super) async fn tidy(&self) -> Result<(), StoreError> {
        let mut cursor = "0".to_owned();
        loop {
            let mut call = self.script(&self.scripts.tidy);
            call.text(&cursor);
            cursor = call.run(&self.link).await?;
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}
