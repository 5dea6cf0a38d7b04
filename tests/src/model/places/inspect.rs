//! Looking inside: what a store shows has to be what the model knows.

use super::{Item, Letter, Place, Places, Wrong, check, differ};
use crate::model::python::Stored;
use common::{
    clock::Timestamp,
    message::Message,
    queue_name::QueueName,
    store::{BEAT_INTERVAL, Body, Counts, DEAD_AFTER, DeadLetter, MessageInfo, QueueInfo, State, WorkerInfo},
};
use std::collections::BTreeSet;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The item of this index.
    Item(usize),
    /// The letter of this index.
    Letter(usize),
}

impl Places {
    /// Compares the numbers of one queue.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub fn counted(&self, queue: &QueueName, told: Counts) -> Result<(), Wrong> {
        let mut expected = self.counts(queue);
        let most = self.letters.iter().filter(|letter| letter.queue == *queue).count();
        if (expected.dead..=most).contains(&told.dead) {
            // What was kept long enough may be gone, or not.
            expected.dead = told.dead;
        }
        differ(&format!("what lies in {queue}"), &expected, &told)
    }

    /// Compares the dead letters of a queue; answers which is which. Forgets those that are gone because their time is over.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub fn read(&mut self, queue: &QueueName, told: &[DeadLetter]) -> Result<Vec<usize>, Wrong> {
        let (letters, now) = (self.letters.clone(), self.now);
        let mut found: Vec<usize> = Vec::new();
        for told in told {
            let is_it = |letter: &Letter| {
                letter.queue == *queue
                    && letter.died == told.died
                    && letter.reason == told.reason
                    && check::is_body(&letter.body, &told.bytes, now)
            };
            let at = (0..letters.len()).find(|at| !found.contains(at) && is_it(&letters[*at]));
            found.push(at.ok_or_else(|| Wrong(format!("no such dead letter should be in {queue}: {told:?}")))?);
        }
        if !told.is_sorted_by_key(|letter| letter.died) {
            return Err(Wrong(format!("the dead letters of {queue} should come oldest first")));
        }
        let is_left = |at: &usize| letters[*at].queue != *queue || found.contains(at);
        let left: Vec<usize> = (0..letters.len()).filter(is_left).collect();
        if let Some(missing) = (0..letters.len()).find(|at| !is_left(at) && !self.may_be_gone(&letters[*at])) {
            return Err(Wrong(format!("a dead letter of {queue} is missing: {:?}", letters[missing])));
        }
        self.letters = left.iter().map(|at| letters[*at].clone()).collect();
        Ok(found.iter().filter_map(|at| left.iter().position(|left| left == at)).collect())
    }

    /// Compares what was found under the start of an id; answers which is which, and learns the names.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn found(&mut self, id: &str, told: &[MessageInfo]) -> Result<Vec<Found>, Wrong> {
        let mut found: Vec<Found> = Vec::new();
        for told in told {
            let items = (0..self.items.len()).map(Found::Item);
            let mut all = items.chain((0..self.letters.len()).map(Found::Letter));
            let at = all.find(|found_now| !found.contains(found_now) && self.is_seen(*found_now, told));
            let at = at
                .ok_or_else(|| Wrong(format!("this should not lie there: {}\n  but {:?}", shown(told), self.of(id))))?;
            if let Found::Item(at) = at {
                self.items[at].name = Some(told.name.as_str().into());
            }
            found.push(at);
        }
        let is_missing = |(at, item): &(usize, &Item)| {
            item.message.message_id.as_str().starts_with(id) && !found.contains(&Found::Item(*at))
        };
        if let Some((_, missing)) = self.items.iter().enumerate().find(is_missing) {
            return Err(Wrong(format!("{} should be found under {id}: {:?}", missing.message, missing.place)));
        }
        for (at, letter) in self.letters.iter().enumerate() {
            let has_id = matches!(&letter.body, Body::Message(message) if message.message_id.as_str().starts_with(id));
            if has_id && !self.may_be_gone(letter) && !found.contains(&Found::Letter(at)) {
                return Err(Wrong(format!("a dead letter should be found under {id}: {letter:?}")));
            }
        }
        Ok(found)
    }

    /// What the model has under an id, for people.
    fn of(&self, id: &str) -> Vec<&Item> {
        self.items.iter().filter(|item| item.message.message_id.as_str().starts_with(id)).collect()
    }

    fn is_seen(&self, found: Found, told: &MessageInfo) -> bool {
        match (found, &told.state) {
            (Found::Letter(at), State::Dead { died, reason }) => {
                let letter = &self.letters[at];
                letter.queue == told.queue
                    && letter.died == *died
                    && letter.reason == *reason
                    && check::is_body(&letter.body, &told.bytes, self.now)
            }
            (Found::Item(at), state) => {
                let item = &self.items[at];
                item.queue == told.queue
                    && item.name.as_ref().is_none_or(|name| **name == *told.name)
                    && item.note.crashes() == told.crashes
                    && self.is_there(item, state)
                    && check::is_body(&item.body(), &told.bytes, self.now)
            }
            _ => false,
        }
    }

    fn is_there(&self, item: &Item, state: &State) -> bool {
        match (&item.place, state) {
            (Place::Ready { band, rank }, State::Ready { ahead: Some(told) }) => {
                let place = |other: &Item| match other.place {
                    Place::Ready { band, rank } if other.queue == item.queue => Some((band, rank)),
                    _ => None,
                };
                let before = self.items.iter().filter_map(place).filter(|other| *other < (*band, *rank)).count();
                let beside = self.items.iter().filter_map(place).filter(|other| *other == (*band, *rank)).count();
                (before..before + beside).contains(told)
            }
            // What Python has taken from the inbox lies in its memory until its time.
            (Place::Held { due, .. } | Place::Taken { due: Some(due), .. }, State::Delayed { due: told }) => {
                due == told
            }
            (Place::Claimed { by }, State::Claimed { worker, cancelled }) => {
                self.workers[*by].id == *worker && item.cancelled.is_some() == *cancelled
            }
            (Place::Taken { by, due: None }, State::Claimed { worker, cancelled }) => {
                self.pythons[*by].id == *worker && item.cancelled.is_some() == *cancelled
            }
            _ => false,
        }
    }

    /// Compares the list of queues.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn listed(&self, told: &[QueueInfo]) -> Result<(), Wrong> {
        let used = self.items.iter().map(|item| &item.queue);
        let dead = self.letters.iter().filter(|letter| !self.may_be_gone(letter)).map(|letter| &letter.queue);
        let of_workers = self.workers.iter().filter(|worker| worker.is_registered).flat_map(|worker| &worker.queues);
        let mut names: BTreeSet<_> = used.chain(dead).chain(&self.paused).chain(of_workers).collect();
        // One that holds nothing but what may have expired may be there, or not.
        names.extend(
            self.letters
                .iter()
                .map(|letter| &letter.queue)
                .filter(|queue| told.iter().any(|told| told.name == **queue)),
        );
        differ("the queues", &names.into_iter().collect::<Vec<_>>(), &told.iter().map(|told| &told.name).collect())?;
        for told in told {
            self.counted(&told.name, told.counts)?;
            differ(&format!("whether {} is paused", told.name), &self.paused.contains(&told.name), &told.paused)?;
        }
        Ok(())
    }

    /// Compares the list of workers.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn met(&self, told: &[WorkerInfo]) -> Result<(), Wrong> {
        // What shows signs of life on Redis may be one of Python's senders, of which nothing is known.
        let told: Vec<_> = told.iter().filter(|told| told.queues.is_some()).collect();
        let mut known: Vec<_> = self.workers.iter().enumerate().filter(|(_, worker)| worker.is_registered).collect();
        known.sort_unstable_by_key(|(_, worker)| &worker.id);
        differ(
            "the workers",
            &known.iter().map(|(_, worker)| &worker.id).collect::<Vec<_>>(),
            &told.iter().map(|told| &told.id).collect(),
        )?;
        for ((at, worker), told) in known.into_iter().zip(told) {
            let silent_for = self.now.since(worker.beat);
            let mut claims: Vec<_> = self.claims(at).map(|(claim, _)| claim).collect();
            claims.sort_unstable();
            let expected = WorkerInfo {
                id: worker.id.clone(),
                queues: Some(worker.queues.clone()),
                silent_for,
                is_silent: silent_for >= BEAT_INTERVAL * DEAD_AFTER,
                claims,
            };
            // In whatever order.
            let mut told = told.clone();
            told.claims.sort_unstable();
            differ("a worker", &expected, &told)?;
        }
        Ok(())
    }

    /// Compares the bodies that lie in Redis: each message that has not ended has one, to which dramatiq's rules lead, and nothing
    /// else has.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub fn lying(&self, told: &[Stored]) -> Result<(), Wrong> {
        if let Some(Stored { list, name, .. }) = told.iter().find(|told| !told.is_reachable) {
            return Err(Wrong(format!("{name} lies in {list}, where dramatiq's rules do not lead")));
        }
        let known = |item: &Item| (item.queue.as_str().to_owned(), identity(&item.body(), self.now));
        let seen = |told: &Stored| {
            let queue = told.list.strip_suffix(".DQ").unwrap_or(&told.list);
            (queue.to_owned(), identity(&Body::Raw(told.bytes.clone()), self.now))
        };
        let mut known: Vec<_> = self.items.iter().map(known).collect();
        let mut seen: Vec<_> = told.iter().map(seen).collect();
        known.sort_unstable();
        seen.sort_unstable();
        differ("what lies in Redis", &known, &seen)
    }

    /// Compares a stored value.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn kept(&self, key: &str, told: Option<&Vec<u8>>) -> Result<(), Wrong> {
        let Some((value, until)) = self.stored.get(key) else {
            return differ("what is stored", &None, &told);
        };
        let is_over = *until <= self.now;
        if is_over && (told.is_none() || self.tolerances.results_by_own_clock) {
            return Ok(());
        }
        differ("what is stored", &(!is_over).then_some(value), &told)
    }
}

/// What tells bodies apart: a message's id, or the bytes of what is none.
fn identity(body: &Body, now: Timestamp) -> String {
    match body {
        Body::Message(message) => message.message_id.to_string(),
        Body::Raw(bytes) => match Message::decode(bytes, now) {
            Ok(message) => message.message_id.to_string(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}

/// What is known, for people.
fn shown(told: &MessageInfo) -> String {
    let MessageInfo { queue, name, bytes, crashes, state } = told;
    format!("{name} in {queue}, {state:?}, crashes: {crashes}, {}", String::from_utf8_lossy(bytes))
}
