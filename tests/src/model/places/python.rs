//! What Python's workers do, by dramatiq's rules, as far as it moves anything.
//!
//! They know two lists for each queue: what is ready, which is what Rust has in band 0, and the inbox of what is delayed. All else
//! is claimed by the queue's fleet, and comes into the lists once the fleet was silent for a minute.

use super::{Item, Letter, Move, Place, Places, Wrong, check};
use crate::model::python::Taken;
use common::{clock::Timestamp, message::Message, queue_name::QueueName};
use std::time::Duration;

/// For how long anybody may be silent.
pub(super) const PYTHON_DEAD_AFTER: Duration = Duration::from_secs(60);

/// A Python worker, as far as Redis knows.
#[derive(Clone, Debug)]
pub struct Python {
    /// Its id.
    pub id: String,
    /// Its last call of any kind.
    pub beat: Timestamp,
}

/// What a Python worker does at the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonEnd {
    /// It is done.
    Ack,
    /// It is dead, as it lies there; nobody notes why.
    Nack,
    /// To the end of its list.
    Requeue,
}

impl Places {
    /// A call of any kind is a sign of life.
    pub fn python_lives(&mut self, python: usize) {
        self.pythons[python].beat = self.now;
    }

    /// A Python sender puts a message at the end of a list.
    pub fn python_sends(&mut self, name: &str, message: Message, due: Option<Timestamp>) {
        let rank = self.next_tail();
        let place = match due {
            Some(due) => Place::Held { due, inbox: Some(rank) },
            None => Place::Ready { band: 0, rank },
        };
        let queue = message.queue_name.clone();
        let name = Some(name.into());
        self.items.push(Item::new(queue, message, name, place));
    }

    /// Bytes that are no message come to the end of the list of what is ready, under the id of their stand-in.
    pub fn bytes_are_sent(&mut self, bytes: Vec<u8>, stand_in: Message) {
        let name = stand_in.message_id.as_str().to_owned();
        self.python_sends(&name, stand_in, None);
        if let Some(item) = self.items.last_mut() {
            item.raw = Some(bytes);
        }
    }

    /// Takes what a fetch of Python's has brought: from the head of one of the lists, paused or not.
    ///
    /// # Errors
    ///
    /// What it should have brought instead.
    pub fn python_took(
        &mut self,
        python: usize,
        queue: &QueueName,
        delayed: bool,
        count: usize,
        told: &[Result<Taken, Vec<u8>>],
    ) -> Result<(), Wrong> {
        let mut told = told.iter();
        for _ in 0..count {
            let listed = self.items.iter().filter_map(|item| listed(item, queue, delayed));
            let Some(first) = listed.min() else { break };
            let told = told.next();
            let fits = |item: &&mut Item| {
                listed_at(item, queue, delayed, first)
                    && told.is_some_and(|told| match told {
                        Ok(told) => {
                            item.raw.is_none()
                                && item.name.as_ref().is_none_or(|name| **name == *told.name)
                                && check::is_same(&item.message, &told.message)
                        }
                        Err(bytes) => item.raw.as_ref() == Some(bytes),
                    })
            };
            let Some(item) = self.items.iter_mut().find(fits) else {
                let expected = self.items.iter().find(|item| listed_at(item, queue, delayed, first));
                return Err(Wrong(format!("Python should have fetched {expected:?}, but {told:?}")));
            };
            if let Some(Ok(told)) = told {
                item.name = Some(told.name.as_str().into());
            }
            let due = if let Place::Held { due, .. } = item.place { Some(due) } else { None };
            item.place = Place::Taken { by: python, due };
            item.started = None;
        }
        match told.next() {
            None => Ok(()),
            Some(more) => Err(Wrong(format!("Python should have fetched nothing more, but {more:?}"))),
        }
    }

    /// A Python worker ends what it holds; where it doesn't hold it any more, nothing happens. Answers whether it did.
    pub fn python_ended(&mut self, python: usize, name: &str, end: PythonEnd) -> bool {
        let is_it = |item: &Item| {
            item.name.as_deref() == Some(name) && matches!(item.place, Place::Taken { by, .. } if by == python)
        };
        let Some(at) = self.items.iter().position(is_it) else { return false };
        match end {
            PythonEnd::Ack => {
                self.items.swap_remove(at);
            }
            PythonEnd::Nack => {
                let item = self.items.swap_remove(at);
                let (body, Item { queue, name, .. }) = (item.body(), item);
                // Whatever lies there under the same name is overwritten; only Rust's notes, the reason and whether its end is to be made, stay.
                let is_same = |letter: &Letter| letter.queue == queue && letter.name == name;
                let before = self.letters.iter().position(is_same).map(|at| self.letters.remove(at));
                let is_unended = before.as_ref().is_some_and(|letter| letter.is_unended);
                let reason = before.and_then(|letter| letter.reason);
                self.letters.push(Letter { queue, name, body, reason, died: self.now, is_unended });
            }
            PythonEnd::Requeue => {
                let rank = self.next_tail();
                self.items[at].place = back_in_list(&self.items[at].place, rank);
            }
        }
        true
    }

    /// Upkeep as Python does it, of one list: what anybody claims who was silent for a minute, the fleet and Rust's workers among
    /// them, comes to the end of the list, in any order; and who claims nothing more is forgotten.
    pub fn python_maintained(&mut self, queue: &QueueName, delayed: bool) {
        let rank = self.next_tail();
        let mut taken = 0;
        for at in 0..self.items.len() {
            let item = &self.items[at];
            if item.queue == *queue && is_of_list(item, delayed) && self.is_forsaken(item) {
                self.items[at].place = back_in_list(&self.items[at].place, rank);
                taken += 1;
            }
        }
        self.happened(Move::TakenOver, taken);
        for worker in 0..self.workers.len() {
            if self.now.since(self.workers[worker].beat) >= PYTHON_DEAD_AFTER && self.claims(worker).next().is_none() {
                self.workers[worker].is_registered = false;
            }
        }
        let now = self.now;
        let is_used = |queue: &QueueName| self.items.iter().any(|item| item.queue == *queue && is_of_fleet(item));
        let silent =
            self.fleets.iter().filter(|(queue, beat)| now.since(**beat) >= PYTHON_DEAD_AFTER && !is_used(queue));
        let silent: Vec<_> = silent.map(|(queue, _)| queue.clone()).collect();
        self.fleets.retain(|queue, _| !silent.contains(queue));
        self.letters.retain(|letter| letter.queue != *queue || now.since(letter.died) < super::KEPT);
    }

    /// Whether who claims it has been silent for too long.
    fn is_forsaken(&self, item: &Item) -> bool {
        let beat = match item.place {
            Place::Claimed { by } => self.workers[by].beat,
            Place::Taken { by, .. } => self.pythons[by].beat,
            _ if is_of_fleet(item) => match self.fleets.get(&item.queue) {
                Some(beat) => *beat,
                None => return false,
            },
            _ => return false,
        };
        self.now.since(beat) >= PYTHON_DEAD_AFTER
    }
}

fn is_of_list(item: &Item, delayed: bool) -> bool {
    matches!(item.place, Place::Held { .. } | Place::Taken { due: Some(_), .. }) == delayed
}

/// What only Rust can order.
fn is_of_fleet(item: &Item) -> bool {
    match item.place {
        Place::Ready { band, .. } => band != 0,
        Place::Held { inbox, .. } => inbox.is_none(),
        _ => false,
    }
}

/// Where it is in the list, if it is.
fn listed(item: &Item, queue: &QueueName, delayed: bool) -> Option<i64> {
    match item.place {
        Place::Ready { band: 0, rank } if !delayed && item.queue == *queue => Some(rank),
        Place::Held { inbox, .. } if delayed && item.queue == *queue => inbox,
        _ => None,
    }
}

fn listed_at(item: &Item, queue: &QueueName, delayed: bool, rank: i64) -> bool {
    listed(item, queue, delayed) == Some(rank)
}

fn back_in_list(place: &Place, rank: i64) -> Place {
    match place {
        Place::Held { due, .. } | Place::Taken { due: Some(due), .. } => Place::Held { due: *due, inbox: Some(rank) },
        _ => Place::Ready { band: 0, rank },
    }
}
