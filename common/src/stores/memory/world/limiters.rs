//! Who holds slots of limits, what has happened within a time, and barriers.

use std::collections::HashMap;
use std::time::Duration;

use super::World;
use super::kept::Kept;
use crate::clock::Timestamp;
use crate::store::{Arrival, Grant, NewGroup, RateLimit, Slot, SlotLimit, Within};
use crate::stores::shared::limits::{bucket, full_until, second};

/// All limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Limits with holders: until when each of them holds its slot, by its token.
    holders: HashMap<String, HashMap<String, Timestamp>>,
    /// The last number that was given with a slot, of whatever limit.
    fence: u64,
    /// How often something has happened, by limit and the time when its bucket or second began.
    counts: Kept<u32>,
}

impl Limits {
    /// Who holds slots of a limit, without those whose leases are over.
    fn settled(&mut self, key: &str, now: Timestamp) -> &mut HashMap<String, Timestamp> {
        let holders = self.holders.entry(key.to_owned()).or_default();
        holders.retain(|_, until| *until > now);
        holders
    }

    /// Takes no room for what nobody holds.
    fn tidy(&mut self, key: &str) {
        if self.holders.get(key).is_some_and(HashMap::is_empty) {
            self.holders.remove(key);
        }
    }
}

impl World {
    pub(in super::super) fn acquire(&mut self, slot: &Slot, now: Timestamp) -> Grant {
        let Slot { of, token } = slot;
        let holders = self.limits.settled(&of.key, now);
        if holders.len() < of.limit as usize {
            holders.insert(token.clone(), now + of.lease());
            self.limits.fence += 1;
            return Grant::Granted { fence: self.limits.fence };
        }
        Grant::Denied { again: holders.values().min().copied().unwrap_or(now) }
    }

    pub(in super::super) fn renew(&mut self, slot: &Slot, now: Timestamp) -> bool {
        let Slot { of, token } = slot;
        let held = self.limits.settled(&of.key, now).get_mut(token).map(|until| *until = now + of.lease());
        self.limits.tidy(&of.key);
        held.is_some()
    }

    pub(in super::super) fn give_back(&mut self, slot: &Slot, now: Timestamp) -> bool {
        let Slot { of, token } = slot;
        let was_held = self.limits.settled(&of.key, now).remove(token).is_some();
        self.limits.tidy(&of.key);
        was_held
    }

    pub(in super::super) fn is_free(&mut self, limit: &SlotLimit, now: Timestamp) -> bool {
        let is_free = self.limits.settled(&limit.key, now).len() < limit.limit as usize;
        self.limits.tidy(&limit.key);
        is_free
    }

    pub(in super::super) fn pass(&mut self, rate: &RateLimit, now: Timestamp) -> Option<Timestamp> {
        let counts = &mut self.limits.counts;
        let name = |at: i64| format!("{}@{at}", rate.key);
        let counted = |at| counts.get(&name(at), now).copied().unwrap_or(0);
        let (at, ttl, full_until) = match rate.within {
            Within::Bucket(length) => {
                let (start, end) = bucket(now, length);
                (start, length, (counted(start) >= rate.limit).then_some(end))
            }
            Within::Seconds(seconds) => {
                let last = second(now);
                let all: Vec<_> = (last + 1 - i64::from(seconds)..=last).map(|at| (at, counted(at))).collect();
                (last, Duration::from_secs(seconds.into()), full_until(rate, seconds, &all))
            }
        };
        if full_until.is_none() {
            let count = counted(at) + 1;
            counts.keep(&name(at), count, now + ttl, now);
        }
        full_until
    }

    pub(in super::super) fn create_barrier(&mut self, barrier: &NewGroup, now: Timestamp) -> bool {
        self.open_group(barrier, now)
    }

    pub(in super::super) fn arrive(&mut self, key: &str, until: Timestamp, now: Timestamp) -> Arrival {
        let Some(barrier) = self.groups.renew(key, until, now) else { return Arrival::Expired };
        barrier.arrive()
    }
}
