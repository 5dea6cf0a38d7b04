//! Looking at the others: who is silent, and who is to deal with them.
//!
//! Rust's workers have a sorted set of signs of life of their own, so that those of them that died are found at once, whatever else is
//! silent. Of everybody else (Python's workers and senders, and fleets that nobody renews) a beat shows a page, the next one another
//! page: their patience is a minute. Fleets that hold nothing are taken off by the beat that finds them. The others stay for Python,
//! which takes over what they hold and removes their heartbeats, but not their registrations: where fewer of them are silent than
//! before, the beat looks through those.
//!
//! A host that dies takes many workers with it. All others look then, but not all at all of them: each has its share, which begins
//! at a place of its own, and is so large that [`TIMES`] of them look at each on average. Few that are left look at all.

use std::collections::HashSet;
use std::time::Duration;

use redis::Value;

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, PYTHON_DEAD_AFTER, Registration};
use crate::stores::redis::RedisStore;
use crate::stores::redis::scripts::read;
use crate::stores::shared::liveness::{Liveness, Peer, Recovery};

/// How many silent ones a beat shows; the script knows it too.
const PAGE: usize = 100;

/// How many one further call shows.
const LARGE_PAGE: usize = 500;

/// How many one worker looks at, at most.
const MOST: usize = 5_000;

/// How many look at each, on average.
const TIMES: usize = 10;

/// A heartbeat that is ahead by so much tells of a wrong clock.
const WRONG_CLOCK: Duration = Duration::from_secs(30);

/// What one worker's beats have seen of the others.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) workers: Liveness,
    pub(super) pythons: Liveness,
    /// Where the next page of Python's begins.
    offset: usize,
    /// How many silent fleets the pages before it have shown.
    fleets: usize,
    /// How many all pages had shown the time before.
    fleets_before: usize,
}

impl Peers {
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Takes in a look that showed nobody.
    pub(super) fn saw_nobody(&mut self, at: Duration, took: Duration) {
        (self.offset, self.fleets) = (0, 0);
        self.workers.see(at, took, &[], true);
        self.pythons.see(at, took, &[], true);
    }

    /// Takes in a page that shows so many silent fleets; whether there are fewer of them than the time before.
    fn saw_fleets(&mut self, count: usize, is_last_page: bool) -> bool {
        self.fleets += count;
        if !is_last_page {
            return false;
        }
        let all = std::mem::take(&mut self.fleets);
        std::mem::replace(&mut self.fleets_before, all) > all
    }

    /// After a long time the settled are looked at once more.
    pub(super) fn reopen(&mut self) {
        self.workers.reopen();
        self.pythons.reopen();
    }
}

/// What one beat shows of the silent.
#[derive(Debug)]
pub(super) struct PeersAnswer {
    workers: Vec<Peer>,
    /// How many silent Rust workers there are, and how many others where that is more than is shown.
    silent: usize,
    alive: usize,
    pub(super) pythons: Vec<Peer>,
    next: usize,
    /// How many silent fleets the page shows.
    fleets: usize,
}

impl PeersAnswer {
    /// Reads what the script answers; nothing where it did not look.
    pub(super) fn read(values: Vec<Value>) -> Result<Option<Self>, StoreError> {
        let mut values = values.into_iter();
        let Some(workers) = values.next() else { return Ok(None) };
        let mut next = || values.next().unwrap_or_default();
        Ok(Some(Self {
            workers: peers(workers, true)?,
            silent: read(next())?,
            alive: read(next())?,
            pythons: peers(next(), false)?,
            next: read(next())?,
            fleets: read(next())?,
        }))
    }
}

fn peers(value: Value, is_rust: bool) -> Result<Vec<Peer>, StoreError> {
    let pairs: Vec<(Vec<u8>, String)> = read(value)?;
    let peer = |(id, score): (Vec<u8>, String)| Peer {
        id: String::from_utf8_lossy(&id).into_owned(),
        score,
        queues: is_rust.then(Vec::new),
    };
    Ok(pairs.into_iter().map(peer).collect())
}

/// Where the share of a worker begins among so many silent ones, and how many it has, while so many are alive.
fn share(worker: &str, silent: usize, alive: usize) -> (usize, usize) {
    // Ids are random, so their sums are spread well enough.
    let place = worker.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let count = (silent * TIMES).div_ceil(alive.max(1)).clamp(PAGE, MOST).min(silent);
    (place % silent.max(1), count)
}

impl RedisStore {
    /// Takes in a look that happened `at`, and recovers what those held who are dead by now; answers how many messages moved.
    pub(super) async fn recover_dead(
        &self,
        registration: &Registration,
        at: Duration,
        took: Duration,
        answer: PeersAnswer,
    ) -> Result<usize, StoreError> {
        let is_all = answer.silent < PAGE;
        let workers =
            if is_all { answer.workers } else { self.more_silent(registration, answer.silent, answer.alive).await? };
        let (dead, pythons) = self.with_upkeep(&registration.worker, |upkeep| {
            let peers = &mut upkeep.peers;
            let is_whole = peers.offset == 0 && answer.next == 0;
            peers.offset = answer.next;
            if peers.saw_fleets(answer.fleets, answer.next == 0) {
                upkeep.tidied = None;
            }
            (peers.workers.see(at, took, &workers, is_all), peers.pythons.see(at, took, &answer.pythons, is_whole))
        });
        let moved = self.recover_workers(&dead).await?;
        Ok(moved + self.recover_pythons(registration, &pythons).await?)
    }

    /// The share of this worker in the silent ones, where there are many.
    async fn more_silent(
        &self,
        registration: &Registration,
        silent: usize,
        alive: usize,
    ) -> Result<Vec<Peer>, StoreError> {
        let (start, count) = share(registration.worker.as_str(), silent, alive);
        let (mut found, mut seen) = (Vec::with_capacity(count), HashSet::new());
        let mut seen_so_far = 0;
        while seen_so_far < count {
            // Round the end, where it comes so far.
            let from = (start + seen_so_far) % silent;
            let page = LARGE_PAGE.min(count - seen_so_far).min(silent - from);
            let mut call = self.script(&self.scripts.silent);
            call.duration(BEAT_INTERVAL).count(from).count(page);
            let workers = peers(call.run(&self.pulse).await?, true)?;
            found.extend(workers.into_iter().filter(|peer| seen.insert(peer.id.clone())));
            seen_so_far += page;
        }
        Ok(found)
    }

    /// Says whose clock is wrong, once: one that is ahead takes those for dead that live, and nobody can hinder it.
    pub(super) fn name_clocks(&self, now: Timestamp, pythons: &[Peer], lost: usize) {
        for peer in pythons {
            let beat = peer.score.parse::<f64>().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds")]
            let ahead = Timestamp::from_millis(beat as i64).since(now);
            if ahead < WRONG_CLOCK
                || !self.wrong_clocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(peer.id.clone())
            {
                continue;
            }
            let robs = match (ahead >= PYTHON_DEAD_AFTER, lost) {
                (false, _) => "from a minute on it would take living workers for dead",
                (true, 0) => "it takes living workers for dead, and what they run is run twice",
                (true, _) => "it takes living workers for dead, this one among them, and what they run is run twice",
            };
            tracing::warn!(
                target: "common::broker",
                "the clock of Python's worker or sender {} is {} s ahead of the server's: {robs}; set its clock",
                peer.id, ahead.as_secs()
            );
        }
    }

    /// Whether one was dealt with already.
    pub(super) fn fate_of_python(&self, registration: &Registration, peer: &Peer) -> Recovery {
        self.with_upkeep(&registration.worker, |upkeep| upkeep.peers.pythons.recovery(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_that_are_left_look_at_all_and_many_at_some_each() {
        assert_eq!(share("w", 1_000, 1).1, 1_000);
        assert_eq!(share("w", 1_000, 10).1, 1_000);
        assert_eq!(share("w", 1_000, 50).1, 200);
        assert_eq!(share("w", 1_000, 1_000).1, PAGE);
        assert_eq!(share("w", 100, 0).1, 100);
        assert_eq!(share("w", 20_000, 1).1, MOST);
    }

    #[test]
    fn all_are_looked_at_by_somebody() {
        let (silent, alive) = (1_000, 60);
        let mut seen = HashSet::new();
        for worker in 0..alive {
            let (start, count) = share(crate::store::WorkerId::random().as_str(), silent, alive);
            assert!(start < silent, "worker {worker}");
            seen.extend((start..start + count).map(|at| at % silent));
        }
        assert!(seen.len() > silent * 99 / 100, "{}", seen.len());
    }
}
