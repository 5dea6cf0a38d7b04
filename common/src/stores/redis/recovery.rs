//! What becomes of the dead, and of what they held.

use std::ops::ControlFlow;

use super::RedisStore;
use super::connection::CallError;
use super::upkeep::MAX_ROUNDS;
use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, Lease};
use crate::stores::looks::{Fate, Peer};

/// How long it is remembered that workers died with a message: seven days.
pub(super) const REMEMBER_CRASHES_SECONDS: usize = 7 * 24 * 60 * 60;

impl RedisStore {
    /// Gives back what the dead held, and forgets them where nothing is left of them; answers how many messages moved.
    pub(super) async fn recover(&self, lease: &Lease, dead: &[Peer]) -> Result<usize, StoreError> {
        let mut recovered = 0;
        let mut may_scan = true;
        for peer in dead {
            let mut fate = self.with_upkeep(&lease.worker, |upkeep| upkeep.looks.fate(peer));
            if fate == Fate::Open {
                let (moved, is_done) = self.sweep(lease, peer).await?;
                recovered += moved;
                fate = match (is_done, &peer.queues) {
                    (false, _) => Fate::Open,
                    (true, None) => Fate::Swept,
                    (true, Some(_)) => Fate::Settled,
                };
            }
            // A dead Python worker may hold messages of queues that others look after: its heartbeat stays until nothing
            // is left of it. As that means to look through all keys, it is done for one of them a beat.
            if fate == Fate::Swept && std::mem::take(&mut may_scan) {
                if !self.has_claims(&peer.id).await? {
                    let mut call = self.script(&self.scripts.forget);
                    call.text(&peer.id).text(&peer.score);
                    call.run::<bool>(&self.pulse).await?;
                }
                fate = Fate::Settled;
            }
            self.with_upkeep(&lease.worker, |upkeep| upkeep.looks.set_fate(peer, fate));
        }
        Ok(recovered)
    }

    /// Gives back what a dead worker held, as far as it lies in queues that are ours to look after: how many moved, and
    /// whether that was all.
    async fn sweep(&self, lease: &Lease, peer: &Peer) -> Result<(usize, bool), StoreError> {
        let names = match &peer.queues {
            Some(queues) => queues.clone(),
            None => lease.queues.iter().flat_map(|queue| [queue.to_string(), queue.delay()]).collect(),
        };
        let mut recovered = 0;
        for _ in 0..MAX_ROUNDS {
            let mut call = self.script(&self.scripts.recover);
            call.text(&peer.id).text(&peer.score).count(REMEMBER_CRASHES_SECONDS).duration(BEAT_INTERVAL);
            call.text(if peer.queues.is_some() { "bury" } else { "" });
            for name in &names {
                call.text(name);
            }
            let (moved, has_more): (usize, bool) = match call.run(&self.pulse).await {
                Ok(answer) => answer,
                Err(error @ (CallError::NotSent(_) | CallError::Lost(_))) => return Err(error.into()),
                Err(error) => {
                    let error = StoreError::from(error);
                    tracing::warn!(target: "common::broker", peer = peer.id, "a dead worker's messages stay where they are: {error}");
                    return Ok((recovered, false));
                }
            };
            recovered += moved;
            if !has_more {
                if recovered > 0 {
                    let short = peer.id.get(..8).unwrap_or(&peer.id);
                    tracing::warn!(target: "common::broker", "worker {short} died; {recovered} that it held are back");
                }
                return Ok((recovered, true));
            }
        }
        Ok((recovered, false))
    }

    /// Whether there is any set of claims of a worker.
    async fn has_claims(&self, worker: &str) -> Result<bool, StoreError> {
        let mut has_any = false;
        let see = |_: &str| {
            has_any = true;
            ControlFlow::Break(())
        };
        self.walk(&self.pulse, &self.keys.claims_pattern(worker), see).await?;
        Ok(has_any)
    }

    /// Finds registrations that lost their heartbeat.
    pub(super) async fn tidy(&self) -> Result<(), StoreError> {
        let mut cursor = "0".to_owned();
        loop {
            let mut call = self.script(&self.scripts.tidy);
            call.text(&cursor);
            cursor = call.run(&self.pulse).await?;
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}
