//! What becomes of the dead, and of what they held.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, Registration};
use crate::stores::redis::RedisStore;
use crate::stores::redis::connection::CallError;
use crate::stores::redis::error::from_script;
use crate::stores::redis::limits::{MAX_ROUNDS, REMEMBER_CRASHES_SECONDS};
use crate::stores::shared::blame;
use crate::stores::shared::liveness::{Peer, Recovery};

/// How many of the dead one call takes in, at most.
const TOGETHER: usize = 100;

/// How many names of queues one call looks through for workers that do not tell theirs.
const NAMES: usize = 1_000;

/// How often all keys are gone through for claims of Python's dead.
const SCAN_EVERY: Duration = Duration::from_secs(60);

/// Up to so many deaths in one beat each gets a line of its own.
const FEW: usize = 10;

impl RedisStore {
    /// Requeues what dead Rust workers held, of all of their queues, and takes them off; answers how many messages moved.
    pub(super) async fn recover_workers(&self, dead: &[Peer]) -> Result<usize, StoreError> {
        if dead.is_empty() {
            return Ok(0);
        }
        let started = self.clock.uptime();
        let (mut moved, mut settled, mut refused) = (0, 0, BTreeMap::new());
        // What takes longer goes on with the next beat, lest others miss this one's.
        while settled < dead.len() && self.clock.uptime().saturating_sub(started) < BEAT_INTERVAL {
            let together = if dead.len() > FEW { TOGETHER } else { 1 };
            let some = &dead[settled..dead.len().min(settled + together)];
            let (back, done) = self.recover_some("rust", &[], some, &mut refused).await?;
            moved += back;
            settled += done;
            if let [one] = some
                && back > 0
            {
                let short = one.id.get(..8).unwrap_or(&one.id);
                tracing::warn!(target: "common::broker", "worker {short} died; requeued its claims ({back})");
            }
        }
        if dead.len() > FEW && moved > 0 {
            tracing::warn!(target: "common::broker", "{settled} workers died; requeued their claims ({moved})");
        }
        self.recovering.see(refused, |_| true);
        Ok(moved)
    }

    /// Requeues what dead workers of Python held, as far as it lies in queues that are ours to look after; answers how many
    /// messages moved.
    pub(super) async fn recover_pythons(
        &self,
        registration: &Registration,
        dead: &[Peer],
    ) -> Result<usize, StoreError> {
        let open: Vec<Peer> =
            dead.iter().filter(|peer| self.fate_of_python(registration, peer) == Recovery::Pending).cloned().collect();
        let names: Vec<String> =
            registration.queues.iter().flat_map(|queue| [queue.to_string(), queue.delay()]).collect();
        let mut moved = 0;
        for some in open.chunks(TOGETHER) {
            let mut refused = BTreeMap::new();
            // So many of them, from the front, are dealt with in all queues.
            let mut released = some.len();
            for names in names.chunks(NAMES) {
                let mut settled = 0;
                for _ in 0..MAX_ROUNDS {
                    let (back, done) = self.recover_some("python", names, &some[settled..], &mut refused).await?;
                    moved += back;
                    settled += done;
                    if settled == some.len() {
                        break;
                    }
                }
                released = released.min(settled);
            }
            // What takes longer goes on with the next beat.
            for peer in some[..released].iter().filter(|peer| !refused.contains_key(&peer.id)) {
                self.with_upkeep(&registration.worker, |upkeep| {
                    upkeep.peers.pythons.set_recovery(peer, Recovery::Released);
                });
            }
        }
        if moved > 0 {
            tracing::warn!(target: "common::broker", "{} of Python's workers died; requeued their claims ({moved})", open.len());
        }
        self.forget(registration).await?;
        Ok(moved)
    }

    /// Forgets those of Python's dead of whom nothing is left. They may hold messages of queues that others look after: their
    /// heartbeats stay until then. As that means to go through all keys, it is done for all of them at once, and not often.
    async fn forget(&self, registration: &Registration) -> Result<(), StoreError> {
        let released = self.with_upkeep(&registration.worker, |upkeep| upkeep.peers.pythons.released());
        let uptime = self.clock.uptime();
        if released.is_empty()
            || !self.with_upkeep(&registration.worker, |upkeep| upkeep.is_time_to_scan(uptime, SCAN_EVERY))
        {
            return Ok(());
        }
        let ids: HashSet<&str> = released.iter().map(|peer| &*peer.id).collect();
        let mut holding = HashSet::new();
        let see = |key: &str| {
            // An id may have dots.
            let claims = self.keys.claims_of_anybody(key).unwrap_or_default();
            let ends = claims.match_indices('.').map(|(at, _)| &claims[..at]);
            holding.extend(ends.filter_map(|id| ids.get(id).copied()));
            ControlFlow::Continue(())
        };
        self.walk(&self.pulse, &self.keys.all_claims_pattern(), see).await?;
        for some in released.chunks(TOGETHER) {
            let mut call = self.script(&self.scripts.forget);
            for peer in some.iter().filter(|peer| !holding.contains(&*peer.id)) {
                call.text(&peer.id).text(&peer.score);
            }
            call.run::<usize>(&self.pulse).await?;
            for peer in some {
                self.with_upkeep(&registration.worker, |upkeep| {
                    upkeep.peers.pythons.set_recovery(peer, Recovery::Done);
                });
            }
        }
        Ok(())
    }

    /// One call: how many messages moved, and how many of the dead are dealt with, from the front.
    async fn recover_some(
        &self,
        kind: &str,
        names: &[String],
        dead: &[Peer],
        refused: &mut BTreeMap<String, StoreError>,
    ) -> Result<(usize, usize), StoreError> {
        let mut call = self.script(&self.scripts.recover);
        call.text(kind)
            .count(REMEMBER_CRASHES_SECONDS)
            .duration(BEAT_INTERVAL)
            .duration(blame::TOGETHER)
            .count(names.len());
        for name in names {
            call.text(name);
        }
        for peer in dead {
            call.text(&peer.id).text(&peer.score);
        }
        let (moved, settled, refusals): (usize, usize, Vec<(String, String)>) = match call.run(&self.pulse).await {
            Ok(answer) => answer,
            Err(error @ (CallError::NotSent(_) | CallError::Lost(_))) => return Err(error.into()),
            Err(error) => {
                let error = StoreError::from(error);
                refused.extend(dead.iter().map(|peer| (peer.id.clone(), error.clone())));
                return Ok((0, dead.len()));
            }
        };
        refused.extend(refusals.into_iter().map(|(id, text)| (id, from_script(&text))));
        Ok((moved, settled))
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
