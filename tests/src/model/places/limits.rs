//! Limits that many processes share, and barriers.

use super::{Places, Wrong, differ};
use common::{
    clock::Timestamp,
    store::{Arrival, Grant, RateLimit, Slot, SlotLimit, Within},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// All that is known of limits.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    slots: BTreeMap<String, Slots>,
    /// When something has passed, by the limit's name.
    passed: BTreeMap<String, Vec<Timestamp>>,
    barriers: BTreeMap<String, Barrier>,
    /// Moments at which something is over.
    edges: BTreeSet<Timestamp>,
}

/// Who holds slots of a limit.
#[derive(Clone, Debug, Default)]
struct Slots {
    /// Until when, by their tokens; on Redis, those whose leases are over count until one of ours looks.
    holders: BTreeMap<String, Timestamp>,
    /// How many of Python's.
    pythons: usize,
    /// The last number that was given.
    fence: u64,
}

/// Parties that are still to come.
#[derive(Clone, Debug)]
struct Barrier {
    left: u32,
    until: Timestamp,
    /// Whether Python's party was the last one.
    is_pythons: bool,
}

impl Slots {
    /// What is over is nobody's any more.
    fn settle(&mut self, now: Timestamp) {
        self.holders.retain(|_, until| *until > now);
    }

    fn taken(&self) -> usize {
        self.holders.len() + self.pythons
    }
}

impl Places {
    fn slots(&mut self, key: &str) -> &mut Slots {
        let slots = self.limits.slots.entry(key.to_owned()).or_default();
        slots.settle(self.now);
        slots
    }

    /// Somebody wanted a slot: never are more of them held than the limit, and one that is free is given.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn acquired(&mut self, slot: &Slot, grant: Grant) -> Result<(), Wrong> {
        let (Slot { of, token }, now) = (slot, self.now);
        let slots = self.slots(&of.key);
        let is_free = slots.taken() < of.limit as usize;
        let first = slots.holders.values().min().copied();
        match grant {
            Grant::Granted { fence } if is_free && fence > slots.fence => {
                slots.fence = fence;
                slots.holders.insert(token.clone(), now + of.lease());
                self.limits.edges.insert(now + of.lease());
                Ok(())
            }
            Grant::Denied { again } if !is_free && again > now => {
                let is_known = slots.pythons == 0;
                if is_known { differ("when a slot may be free", &first, &Some(again)) } else { Ok(()) }
            }
            _ => Err(Wrong(format!("{grant:?} to one more, while {slots:?} of a limit of {}", of.limit))),
        }
    }

    /// Leases should begin anew: those that are not over, and no others.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn renewed(&mut self, slots: &[Slot], told: &[bool]) -> Result<(), Wrong> {
        let until = |of: &SlotLimit, now: Timestamp| now + of.lease();
        let held = self.each(slots, |held, Slot { of, token }, now| {
            let lease = held.holders.get_mut(token);
            lease.map(|lease| *lease = until(of, now)).is_some()
        });
        self.limits.edges.extend(slots.iter().map(|slot| until(&slot.of, self.now)));
        differ("who still held a slot that was renewed", &held, &told.to_vec())
    }

    /// Slots were given back: by those who hold them, and by others who free nothing.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn released(&mut self, slots: &[Slot], told: &[bool]) -> Result<(), Wrong> {
        let held = self.each(slots, |held, slot, _| held.holders.remove(&slot.token).is_some());
        differ("who still held a slot that was given back", &held, &told.to_vec())
    }

    fn each(&mut self, slots: &[Slot], change: impl Fn(&mut Slots, &Slot, Timestamp) -> bool) -> Vec<bool> {
        let now = self.now;
        slots.iter().map(|slot| change(self.slots(&slot.of.key), slot, now)).collect()
    }

    /// Python wanted a slot. What is over counts for it until one of ours has looked.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn python_acquired(&mut self, limit: &SlotLimit, told: bool) -> Result<(), Wrong> {
        let slots = self.limits.slots.entry(limit.key.clone()).or_default();
        let is_free = slots.taken() < limit.limit as usize;
        slots.pythons += usize::from(is_free);
        differ("whether Python has a slot", &is_free, &told)
    }

    /// Python gives one back.
    pub fn python_released(&mut self, limit: &SlotLimit) {
        self.limits.slots.entry(limit.key.clone()).or_default().pythons -= 1;
    }

    /// How many slots of a limit Python holds.
    #[must_use]
    pub fn held_by_python(&self, limit: &SlotLimit) -> usize {
        self.limits.slots.get(&limit.key).map_or(0, |slots| slots.pythons)
    }

    /// Something was about to happen: as often as the rate says, and no more.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn passed(&mut self, rate: &RateLimit, told: Option<Timestamp>) -> Result<(), Wrong> {
        let now = self.now;
        let times = self.limits.passed.entry(rate.key.clone()).or_default();
        let is_full = |at: Timestamp| {
            let counted = times.iter().filter(|time| is_within(rate.within, **time, at)).count();
            counted >= rate.limit as usize
        };
        let expected = is_full(now).then(|| {
            let mut room = next_edge(rate.within, now);
            while is_full(room) {
                room = next_edge(rate.within, room);
            }
            room
        });
        if expected.is_none() {
            times.push(now);
        }
        self.limits.edges.extend(expected);
        self.limits.edges.insert(leaves(rate.within, now));
        differ("when a rate has room again", &expected, &told)
    }

    fn open_barrier(&mut self, key: &str) -> Option<&mut Barrier> {
        let (now, is_kept) = (self.now, self.tolerances.results_by_own_clock);
        self.limits.barriers.get_mut(key).filter(|barrier| is_kept || barrier.until > now)
    }

    /// A barrier was to be made, by whomever: one that is there stays.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn made_barrier(&mut self, key: &str, parties: u32, ttl: Duration, told: bool) -> Result<(), Wrong> {
        let is_new = self.open_barrier(key).is_none();
        if is_new {
            let until = self.now + ttl;
            self.limits.edges.insert(until);
            self.limits.barriers.insert(key.to_owned(), Barrier { left: parties, until, is_pythons: false });
        }
        differ("whether a barrier is new", &is_new, &told)
    }

    /// A party has come: one of all is the last.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn arrived(&mut self, key: &str, ttl: Duration, told: Arrival) -> Result<(), Wrong> {
        differ("what a party is told", &self.arrive(key, ttl), &told)
    }

    fn arrive(&mut self, key: &str, ttl: Duration) -> Arrival {
        let until = self.now + ttl;
        let Some(barrier) = self.open_barrier(key) else { return Arrival::Expired };
        barrier.until = barrier.until.max(until);
        let arrival = match barrier.left {
            0 => Arrival::Open,
            1 => Arrival::Last,
            left => Arrival::Waiting(left - 1),
        };
        barrier.left = barrier.left.saturating_sub(1);
        self.limits.edges.insert(until);
        arrival
    }

    /// A party of Python's has come. It hears whether all are there; after one of ours that was the last, it hears nothing, and after one
    /// of its own, that it is the last one too.
    ///
    /// # Errors
    ///
    /// Where the answer is another one.
    pub fn python_arrived(&mut self, key: &str, ttl: Duration, told: bool) -> Result<(), Wrong> {
        let arrival = self.arrive(key, ttl);
        let Some(barrier) = self.open_barrier(key) else { return Ok(()) };
        barrier.is_pythons |= arrival == Arrival::Last;
        let is_last = arrival == Arrival::Last || (arrival == Arrival::Open && barrier.is_pythons);
        differ("whether Python's party is the last", &is_last, &told)
    }

    /// Compares how far a barrier is.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn counted_parties(&mut self, key: &str, told: Option<u32>) -> Result<(), Wrong> {
        let left = self.open_barrier(key).map(|barrier| barrier.left);
        differ("how many parties are still to come", &left, &told)
    }

    /// Whether a barrier is known.
    #[must_use]
    pub fn has_barrier(&mut self, key: &str) -> bool {
        self.open_barrier(key).is_some()
    }

    /// How long it takes until each of the next moments at which something is over.
    pub fn lapses(&self) -> impl Iterator<Item = Duration> {
        self.limits.edges.iter().filter(|edge| **edge > self.now).map(|edge| edge.since(self.now))
    }
}

/// Whether what happened at one time counts at another one.
fn is_within(within: Within, time: Timestamp, at: Timestamp) -> bool {
    match within {
        Within::Bucket(length) => of(time, length) == of(at, length),
        Within::Seconds(seconds) => {
            let second = Duration::from_secs(1);
            of(at, second) - of(time, second) < i64::from(seconds)
        }
    }
}

/// When what happens now counts no more.
fn leaves(within: Within, now: Timestamp) -> Timestamp {
    match within {
        Within::Bucket(_) => next_edge(within, now),
        Within::Seconds(seconds) => next_edge(within, now) + Duration::from_secs(u64::from(seconds) - 1),
    }
}

/// When what counts may be less, at the earliest.
fn next_edge(within: Within, at: Timestamp) -> Timestamp {
    let length = if let Within::Bucket(length) = within { length } else { Duration::from_secs(1) };
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis((of(at, length) + 1) * millis)
}

/// In which of all periods of this length, since the epoch, a time lies.
fn of(time: Timestamp, length: Duration) -> i64 {
    time.as_millis().div_euclid(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
}
