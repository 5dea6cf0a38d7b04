//! Who is taken for dead, and what people move by hand.

use super::{Item, Letter, Move, Place, Places, Worker, Wrong, differ, python::PYTHON_DEAD_AFTER};
use common::{
    clock::Timestamp,
    message::Message,
    queue_name::QueueName,
    store::{BEAT_INTERVAL, Cancelled, DEAD_AFTER},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a worker's beats have seen of the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    last: Option<Timestamp>,
    /// The sum of all times between looks that were on time.
    watched: Duration,
    /// The last beat of each that was silent, and how much had been watched when it was seen first.
    seen: BTreeMap<Peer, (Timestamp, Duration)>,
}

/// Somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Rust(usize),
    Python(usize),
}

impl Places {
    /// Whom this worker takes for dead: who was silent for three intervals, in looks that came on time. A look that comes late
    /// adds nothing, because whatever held it up may have held up the silent one. Python's workers show signs of life only with
    /// their commands, so they may be silent for longer.
    pub(super) fn dead(&mut self, worker: usize) -> Vec<Peer> {
        let now = self.now;
        let others = self.workers.iter().enumerate().filter(|(other, known)| *other != worker && known.is_registered);
        let others = others.map(|(other, known)| (Peer::Rust(other), known.beat));
        let pythons = self.pythons.iter().enumerate().map(|(other, known)| (Peer::Python(other), known.beat));
        let silent: Vec<_> = others.chain(pythons).filter(|(_, beat)| now.since(*beat) > BEAT_INTERVAL).collect();
        let looks = &mut self.workers[worker].looks;
        let passed = looks.last.map_or(Duration::ZERO, |last| now.since(last));
        if passed <= BEAT_INTERVAL * 3 / 2 {
            looks.watched += passed;
        }
        looks.last = Some(now);
        looks.seen.retain(|other, _| silent.iter().any(|(silent, _)| silent == other));
        let watched = looks.watched;
        let mut is_dead = |(other, beat): &(Peer, Timestamp)| {
            let seen = looks.seen.entry(*other).or_insert((*beat, watched));
            if seen.0 != *beat {
                *seen = (*beat, watched);
            }
            let limit = if matches!(other, Peer::Rust(_)) { BEAT_INTERVAL * DEAD_AFTER } else { PYTHON_DEAD_AFTER };
            // It is silent for an interval when it is seen first; looks are never quite as regular as they are meant to be.
            watched.saturating_sub(seen.1) + BEAT_INTERVAL + BEAT_INTERVAL / 4 >= limit
        };
        silent.into_iter().filter(|silent| is_dead(silent)).map(|(other, _)| other).collect()
    }

    /// A worker deregisters; one that still holds something stays, and is found dead.
    pub fn deregister(&mut self, worker: usize) {
        if self.claims(worker).next().is_some() {
            return;
        }
        self.workers[worker].is_registered = false;
        if self.tolerances.fleet.is_none() {
            return;
        }
        let now = self.now;
        for queue in self.workers[worker].queues.clone() {
            let consumes = |other: &Worker| {
                other.is_registered
                    && other.queues.contains(&queue)
                    && now.since(other.beat) <= BEAT_INTERVAL * DEAD_AFTER
            };
            if !self.workers.iter().any(consumes) {
                self.hand_over(&queue);
            }
        }
    }

    /// The last one leaves: what only Rust can order goes back to the lists, in its order.
    fn hand_over(&mut self, queue: &QueueName) {
        self.fleets.remove(queue);
        let held = |item: &Item| match item.place {
            Place::Held { due, inbox: None } if item.queue == *queue => Some(due),
            _ => None,
        };
        let times: BTreeSet<_> = self.items.iter().filter_map(held).collect();
        let ready = |item: &Item| match item.place {
            Place::Ready { band, rank } if band != 0 && item.queue == *queue => Some((band, rank)),
            _ => None,
        };
        let places: BTreeSet<_> = self.items.iter().filter_map(ready).collect();
        let mut moved = 0;
        for due in times {
            let rank = self.next_tail();
            for item in self.items.iter_mut().filter(|item| held(item) == Some(due)) {
                item.place = Place::Held { due, inbox: Some(rank) };
                moved += 1;
            }
        }
        let (before, behind): (Vec<_>, Vec<_>) = places.into_iter().partition(|(band, _)| *band < 0);
        for place in before.into_iter().rev().chain(behind) {
            let rank = if place.0 < 0 { self.next_head() } else { self.next_tail() };
            for item in self.items.iter_mut().filter(|item| ready(item) == Some(place)) {
                item.place = Place::Ready { band: 0, rank };
                moved += 1;
            }
        }
        self.happened(Move::HandedOver, moved);
    }

    /// Cancels a message that was found, by index.
    pub fn cancel(&mut self, at: usize, reason: &str) -> Cancelled {
        let reason = reason.to_owned();
        let holder = match self.items[at].place {
            Place::Claimed { by } => Some(self.workers[by].id.clone()),
            Place::Taken { by, .. } => Some(self.pythons[by].id.clone()),
            _ => None,
        };
        if let Some(worker) = holder {
            self.items[at].cancelled = Some(reason);
            return Cancelled::Claimed { worker };
        }
        let was =
            if matches!(self.items[at].place, Place::Held { .. }) { Cancelled::Delayed } else { Cancelled::Ready };
        let item = self.items.swap_remove(at);
        self.die(&item.queue, item.name.clone(), item.body(), reason);
        was
    }

    /// Lets nothing more be fetched from a queue, or lets it again; answers whether that is new.
    pub fn pause(&mut self, queue: &QueueName, paused: bool) -> bool {
        if paused { self.paused.insert(queue.clone()) } else { self.paused.remove(queue) }
    }

    /// Deletes what waits in a queue; answers how much that was.
    pub fn purge(&mut self, queue: &QueueName) -> usize {
        let before = self.items.len();
        let stays =
            |item: &Item| item.queue != *queue || matches!(item.place, Place::Claimed { .. } | Place::Taken { .. });
        self.items.retain(stays);
        before - self.items.len()
    }

    /// Makes a dead letter ready again, as this message.
    ///
    /// # Errors
    ///
    /// Where it was there, and the store says that it wasn't.
    pub fn requeued(&mut self, letter: usize, message: &Message, told: bool) -> Result<(), Wrong> {
        self.deleted(letter, told)?;
        if told {
            self.move_on(message, None, None);
        }
        Ok(())
    }

    /// Deletes a dead letter.
    ///
    /// # Errors
    ///
    /// As [`Places::requeued`].
    pub fn deleted(&mut self, letter: usize, told: bool) -> Result<(), Wrong> {
        let was_there = Letter::clone(&self.letters[letter]);
        // Only one that has been kept long enough may be gone before its time comes to be looked at.
        if !self.may_be_gone(&was_there) {
            differ("whether the dead letter was there", &true, &told)?;
        }
        self.letters.remove(letter);
        Ok(())
    }
}
