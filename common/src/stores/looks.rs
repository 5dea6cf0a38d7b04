//! Death is judged by looking, not by comparing clocks.
//!
//! A worker writes the time of its last beat. Whoever looks at it compares that with what it saw before: only a value
//! that stands still, look after look, is a dead worker's. So neither a clock that is wrong or jumps, nor a store or a
//! looker that stood still for a while, kills anybody.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::{BEAT_INTERVAL, WorkerId};

/// What one worker has seen of its peers.
#[derive(Debug, Default)]
pub(super) struct Looks {
    last: Option<Timestamp>,
    seen: HashMap<WorkerId, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// What the peer wrote.
    beat: Timestamp,
    /// For how long it has stood still, as far as looks on time tell.
    still: Duration,
    /// Whether it was there at the newest look.
    there: bool,
}

impl Looks {
    /// Looks at the last beats of the peers, by the store's time; returns those that stood still for at least as long as
    /// they may, with the beat that was seen.
    ///
    /// A look that comes more than half an interval late adds nothing: the looker may have slept, and so may the store.
    pub(super) fn look<'a>(
        &mut self,
        now: Timestamp,
        peers: impl Iterator<Item = (&'a WorkerId, Timestamp, Duration)>,
    ) -> Vec<(WorkerId, Timestamp)> {
        let since = self.last.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        let on_time = if since <= BEAT_INTERVAL * 3 / 2 {
            since
        } else {
            Duration::ZERO
        };
        for seen in self.seen.values_mut() {
            seen.there = false;
        }
        let mut dead = Vec::new();
        for (peer, beat, patience) in peers {
            let new = Seen {
                beat,
                still: Duration::ZERO,
                there: true,
            };
            let seen = self.seen.entry(peer.clone()).or_insert(new);
            if seen.beat == beat {
                // A peer that was just met has not stood still yet.
                if !seen.there {
                    seen.still += on_time;
                }
                seen.there = true;
            } else {
                *seen = new;
            }
            if seen.still >= patience {
                dead.push((peer.clone(), beat));
            }
        }
        self.seen.retain(|_, seen| seen.there);
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DEAD_AFTER;

    /// Looks once after each step; tells at which look the peer was dead.
    fn dies_at(steps: &[u64], beats: impl Fn(usize) -> i64) -> Option<usize> {
        let peer = WorkerId::random();
        let mut looks = Looks::default();
        let mut now = Timestamp::EPOCH;
        for (number, step) in steps.iter().enumerate() {
            now = now + Duration::from_millis(*step);
            let peers = [(&peer, Timestamp::from_millis(beats(number)), BEAT_INTERVAL * DEAD_AFTER)];
            if !looks.look(now, peers.into_iter()).is_empty() {
                return Some(number);
            }
        }
        None
    }

    #[test]
    fn three_intervals_without_a_beat_are_death() {
        assert_eq!(dies_at(&[0, 1_100, 1_100, 1_100, 1_100], |_| 5), Some(3));
    }

    #[test]
    fn a_changing_beat_is_life_whatever_it_says() {
        assert_eq!(
            dies_at(&[1_100; 50], |look| -86_400_000 * i64::try_from(look).unwrap()),
            None
        );
    }

    #[test]
    fn late_looks_and_clock_jumps_count_for_nothing() {
        assert_eq!(dies_at(&[2_900; 50], |_| 5), None);
        assert_eq!(dies_at(&[0, 1_100, 86_400_000, 1_100, 1_100], |_| 5), Some(4));
    }

    #[test]
    fn many_quick_looks_do_not_add_up_to_more_than_their_time() {
        assert_eq!(dies_at(&[10; 300], |_| 5), None);
    }
}
