//! Judging by looking who is dead.
//!
//! A worker that sees a peer's heartbeat unchanged, look after look, counts the time between the looks. A look that comes
//! late adds nothing: whatever held us up may have held up the peer. So neither skewed clocks, nor one that jumps, nor a
//! server that stalls kills anybody.
//!
//! Late is what comes out of turn, not what takes long. On a slow link every look takes its time, and is regular all the
//! same: what each of the last calls has taken at least is the link's, and nobody's fault. Only what comes on top of that
//! counts as a delay.
//!
//! With calls that take `R`, there and back, looks are `G` apart: an interval, or `R` and a quarter of an interval where that is
//! more. A peer is seen silent at the first look after an interval, and dead once it was seen so for two intervals more. So what a
//! dead worker held is back in its queues within two intervals, two intervals rounded up to whole `G`s, and `R`: 4.5 s at once,
//! 5 s at 300 ms each way, 7 s at 600 ms.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::store::{BEAT_INTERVAL, DEAD_AFTER, PYTHON_DEAD_AFTER};

/// As many peers are remembered although not all were shown of late.
const MANY: usize = 10_000;

/// Of so many calls the quickest tells how long the link takes; a stall is longer than that of one call, and shorter than
/// that of all.
const REMEMBERED: usize = 5;

/// Liveness are never as regular as they are meant to be: a peer that was silent for all of its time but this part of an interval
/// was silent for all of it.
const TOLERANCE: u32 = 4;

/// A worker that has been silent for an interval or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::stores) struct Peer {
    pub(in crate::stores) id: String,
    /// Its heartbeat, as the server writes it.
    pub(in crate::stores) score: String,
    /// All its queues if it is a Rust worker; `None` for Python's.
    pub(in crate::stores) queues: Option<Vec<String>>,
}

/// What the beats of one worker have seen of the others.
#[derive(Debug, Default)]
pub(in crate::stores) struct Liveness {
    last: Option<Duration>,
    /// What the last calls have taken.
    took: VecDeque<Duration>,
    /// The sum of all times between looks that were on time.
    watched: Duration,
    peers: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    score: String,
    since: Duration,
    recovery: Recovery,
}

/// How far a silent one has been dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stores) enum Recovery {
    Pending,
    /// What it held is back in its queues.
    Released,
    /// Nothing more can be done.
    Done,
}

impl Liveness {
    /// Takes in one look, and says who is dead and not settled yet. `at` is when it happened, by a clock that passes evenly,
    /// and `took` is how long the call took that brought it. `is_all` tells whether it shows everybody who is silent; who is not
    /// shown now may be so later, and was silent all the time if its heartbeat is the same then.
    pub(in crate::stores) fn see(&mut self, at: Duration, took: Duration, silent: &[Peer], is_all: bool) -> Vec<Peer> {
        let passed = self.last.map_or(Duration::ZERO, |last| at.saturating_sub(last));
        if self.took.len() == REMEMBERED {
            self.took.pop_front();
        }
        self.took.push_back(took);
        let link = self.took.iter().min().copied().unwrap_or_default();
        if passed <= BEAT_INTERVAL * 3 / 2 + link {
            self.watched += passed;
        }
        self.last = Some(at);
        if is_all || self.peers.len() > MANY {
            let shown: HashSet<&str> = silent.iter().map(|peer| &*peer.id).collect();
            self.peers.retain(|id, _| shown.contains(&**id));
        }
        silent.iter().filter(|peer| self.is_dead(peer)).cloned().collect()
    }

    fn is_dead(&mut self, peer: &Peer) -> bool {
        let seen = self.peers.entry(peer.id.clone()).or_insert_with(|| Seen {
            score: String::new(),
            since: self.watched,
            recovery: Recovery::Pending,
        });
        if seen.score != peer.score {
            *seen = Seen { score: peer.score.clone(), since: self.watched, recovery: Recovery::Pending };
        }
        // Only who is silent for an interval is shown: that one counts as well.
        let silent_for = self.watched.saturating_sub(seen.since) + BEAT_INTERVAL;
        let limit = if peer.queues.is_some() { BEAT_INTERVAL * DEAD_AFTER } else { PYTHON_DEAD_AFTER };
        seen.recovery != Recovery::Done && silent_for + BEAT_INTERVAL / TOLERANCE >= limit
    }

    pub(in crate::stores) fn recovery(&self, peer: &Peer) -> Recovery {
        self.peers.get(&peer.id).map_or(Recovery::Pending, |seen| seen.recovery)
    }

    /// Counts until the peer shows a sign of life.
    pub(in crate::stores) fn set_recovery(&mut self, peer: &Peer, recovery: Recovery) {
        if let Some(seen) = self.peers.get_mut(&peer.id) {
            seen.recovery = recovery;
        }
    }

    /// Those of whom nothing more is held by queues that are looked after, as far as they were seen.
    pub(in crate::stores) fn released(&self) -> Vec<Peer> {
        let released = self.peers.iter().filter(|(_, seen)| seen.recovery == Recovery::Released);
        released.map(|(id, seen)| Peer { id: id.clone(), score: seen.score.clone(), queues: None }).collect()
    }

    /// After a long time the settled are looked at once more.
    pub(in crate::stores) fn reopen(&mut self) {
        for seen in self.peers.values_mut() {
            seen.recovery = Recovery::Pending;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);

    fn peer(score: &str) -> Peer {
        Peer { id: "w".to_owned(), score: score.to_owned(), queues: Some(Vec::new()) }
    }

    #[test]
    fn three_intervals_without_a_sign_of_life_are_death() {
        let mut liveness = Liveness::default();
        assert!(liveness.see(BEAT_INTERVAL, QUICK, &[peer("1")], true).is_empty());
        assert!(liveness.see(BEAT_INTERVAL * 2, QUICK, &[peer("1")], true).is_empty());
        assert_eq!(liveness.see(BEAT_INTERVAL * 3, QUICK, &[peer("1")], true), [peer("1")]);
        liveness.set_recovery(&peer("1"), Recovery::Done);
        assert!(liveness.see(BEAT_INTERVAL * 4, QUICK, &[peer("1")], true).is_empty());
        assert!(liveness.see(BEAT_INTERVAL * 5, QUICK, &[peer("2")], true).is_empty());
    }

    #[test]
    fn late_looks_add_nothing_and_do_not_start_anew() {
        let mut liveness = Liveness::default();
        for (at, dead) in [(0.0, 0), (1.1, 0), (4.0, 0), (90_000.0, 0), (90_001.1, 1)] {
            let seen = liveness.see(Duration::from_secs_f64(at), QUICK, &[peer("1")], true);
            assert_eq!(seen.len(), dead, "at {at}");
        }
    }

    #[test]
    fn a_sign_of_life_starts_anew() {
        let mut liveness = Liveness::default();
        for beat in 0..10 {
            let score = if beat % 2 == 0 { "1" } else { "2" };
            assert!(liveness.see(BEAT_INTERVAL * beat, QUICK, &[peer(score)], true).is_empty());
        }
    }

    #[test]
    fn pythons_workers_may_be_silent_for_longer() {
        let mut liveness = Liveness::default();
        let python = Peer { queues: None, ..peer("1") };
        let deaths = (0..60).position(|beat| {
            !liveness.see(BEAT_INTERVAL * beat, QUICK, std::slice::from_ref(&python), true).is_empty()
        });
        assert_eq!(deaths, Some(54));
    }

    #[test]
    fn slow_looks_that_are_regular_count() {
        let (mut liveness, took) = (Liveness::default(), Duration::from_millis(1_900));
        let every = took + BEAT_INTERVAL / 4;
        let first = (1..9).position(|seen| !liveness.see(every * seen, took, &[peer("1")], true).is_empty());
        assert_eq!(first, Some(1), "at the second look it was silent for more than three intervals");
    }

    #[test]
    fn a_stall_makes_looks_late_and_the_link_no_slower() {
        let (mut liveness, stall) = (Liveness::default(), Duration::from_secs(2));
        let mut at = Duration::ZERO;
        for seen in 0..40 {
            let took = if seen % REMEMBERED == 0 { QUICK } else { stall };
            at += BEAT_INTERVAL + took;
            // Only the quick ones are on time.
            assert_eq!(liveness.see(at, took, &[peer("1")], true).len(), usize::from(seen >= 10), "look {seen}");
        }
    }
}
