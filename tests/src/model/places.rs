//! The model: which message lies where, as plain data, and what each call makes of it.
//!
//! It is written to be read as the specification, and not to be fast: a list of messages, each with its place. Every call is
//! applied to it together with the store's answer: the model says whether the store may answer so, and where the contract
//! leaves the store a choice, it follows. A message that is not in this list anywhere has ended.
//!
//! ```text
//! Ready { band, rank }   in its queue: lower bands first, then lower ranks; of one rank, in any order
//! Held { due }           until its time
//! Claimed { by, .. }     claimed by a worker
//! Taken { by, .. }       claimed by a worker of Python's
//! a Letter               dead
//! ```

mod admin;
mod beat;
mod check;
mod completions;
mod ends;
mod groups;
mod inspect;
mod item;
mod limits;
mod moves;
mod python;
mod shares;

pub use self::check::{Wrong, differ};
pub use self::groups::Group;
pub use self::inspect::Found;
pub use self::item::{Item, Letter, Note, Place};
pub use self::limits::Limits;
pub use self::moves::Move;
pub use self::python::{Python, PythonEnd};
use super::tolerances::{KEPT, Tolerances};
use common::{
    clock::Timestamp,
    message::Message,
    queue_name::QueueName,
    store::{Body, Claim, Counts, Delivery, FetchRequest, Fetched, PRIORITIES},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Everything that a store should hold.
#[derive(Clone, Debug)]
pub struct Places {
    /// The time.
    pub now: Timestamp,
    /// What is ready, held or claimed; in no order.
    pub items: Vec<Item>,
    /// The dead letters, the oldest first.
    pub letters: Vec<Letter>,
    /// All workers that ever were, by their number.
    pub workers: Vec<Worker>,
    /// All of Python's workers that ever were.
    pub pythons: Vec<Python>,
    /// The queues from which nothing is fetched.
    pub paused: BTreeSet<QueueName>,
    /// Stored values, and until when.
    pub stored: BTreeMap<String, (Vec<u8>, Timestamp)>,
    /// The groups that were opened.
    pub groups: BTreeMap<String, Group>,
    /// Limits and barriers.
    pub limits: Limits,
    /// How often what no call asks for has happened.
    pub moves: BTreeMap<Move, u64>,
    /// When a worker of the queue has last beaten.
    pub(super) fleets: BTreeMap<QueueName, Timestamp>,
    pub(super) tolerances: Tolerances,
    /// The ranks given last.
    head: i64,
    tail: i64,
}

/// A worker: what the store knows of it, and what it knows itself.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its id.
    pub id: String,
    /// Its queues.
    pub queues: Vec<QueueName>,
    /// Whether the store knows it: it has not left, and nobody has taken it for dead since its last beat.
    pub is_registered: bool,
    /// Its last beat.
    pub beat: Timestamp,
    /// What had not started then.
    waiting: Vec<Claim>,
    /// When it recorded a start for the last time.
    last_start: Option<Timestamp>,
    /// What its beats have seen of the others.
    looks: admin::Looks,
    /// The names of its claims that it does not know of, and since when.
    surplus: BTreeMap<(QueueName, Arc<str>), Timestamp>,
    /// When one of its beats has last looked for old dead letters.
    expired: Option<Timestamp>,
}

impl Places {
    /// Empty ones.
    #[must_use]
    pub fn new(now: Timestamp, tolerances: Tolerances) -> Self {
        Self {
            now,
            items: Vec::new(),
            letters: Vec::new(),
            workers: Vec::new(),
            pythons: Vec::new(),
            paused: BTreeSet::new(),
            stored: BTreeMap::new(),
            groups: BTreeMap::new(),
            limits: Limits::default(),
            moves: BTreeMap::new(),
            fleets: BTreeMap::new(),
            tolerances,
            head: 0,
            tail: 0,
        }
    }

    /// Stores a message, unless it is there already, byte for byte, under its id.
    pub fn enqueue(&mut self, message: &Message) {
        let rank = self.next_tail();
        self.enqueue_at(message, rank);
    }

    fn enqueue_at(&mut self, message: &Message, rank: i64) {
        let id = message.message_id.as_str();
        let of_queue = || self.items.iter().filter(|item| item.queue == message.queue_name);
        let name = if self.tolerances.names_are_ids {
            // Only what lies under the id itself can be known again.
            match of_queue().find(|item| item.name.as_deref() == Some(id)) {
                Some(item) if item.says(message) => return,
                Some(_) => None,
                None => Some(id.into()),
            }
        } else if of_queue().any(|item| item.says(message)) {
            return;
        } else {
            None
        };
        let due = message.eta(self.now).filter(|due| *due > self.now);
        self.put(message.clone(), name, due, rank);
    }

    /// A new body, to be ready or held.
    fn put(&mut self, message: Message, name: Option<Arc<str>>, due: Option<Timestamp>, rank: i64) {
        let queue = message.queue_name.clone();
        let inbox = (!self.is_fresh(&queue)).then_some(rank);
        let place = due.map_or_else(|| self.ready(&queue, &message, rank), |due| Place::Held { due, inbox });
        self.items.push(Item::new(queue, message, name, place));
    }

    /// Ready, in the band of its priority, while its queue's order is kept up.
    fn ready(&mut self, queue: &QueueName, message: &Message, rank: i64) -> Place {
        let band = message.priority().clamp(*PRIORITIES.start(), *PRIORITIES.end());
        if band == 0 || self.is_fresh(queue) {
            return Place::Ready { band, rank };
        }
        self.happened(Move::Unordered, 1);
        Place::Ready { band: 0, rank: if band < 0 { self.next_head() } else { rank } }
    }

    /// Counts what happened.
    pub fn happened(&mut self, what: Move, times: usize) {
        if times > 0 {
            *self.moves.entry(what).or_default() += times as u64;
        }
    }

    fn is_fresh(&self, queue: &QueueName) -> bool {
        let Some(fresh) = self.tolerances.fleet else { return true };
        self.fleets.get(queue).is_some_and(|beat| self.now.since(*beat) <= fresh)
    }

    fn next_tail(&mut self) -> i64 {
        self.tail += 1;
        self.tail
    }

    fn next_head(&mut self) -> i64 {
        self.head -= 1;
        self.head
    }

    /// Claims what a fetch brought: lower bands first, then lower ranks, as many as are there and were wanted; where it was limited,
    /// in one of the ways in which the queues may have shared that.
    ///
    /// # Errors
    ///
    /// What it should have brought instead.
    pub fn fetched(
        &mut self,
        worker: usize,
        requests: &[FetchRequest],
        limit: usize,
        fetched: &Fetched,
    ) -> Result<(), Wrong> {
        differ("its time", &self.now, &fetched.now)?;
        let requests = self.shared(requests, limit, &fetched.deliveries)?;
        // Of each queue in its order; of which one first, is nobody's affair.
        let mut told: Vec<&Delivery> = fetched.deliveries.iter().collect();
        told.sort_by_key(|told| requests.iter().position(|want| want.queue == told.claim.queue));
        let mut told = told.into_iter();
        for want in &requests {
            let mut left = want.count;
            // One kind of band after the other: below 0, 0, above 0.
            for sign in -1..=1 {
                let before = told.len();
                for _ in 0..left {
                    let Some(first) = self.first(&want.queue).filter(|first| self.sign(*first) == sign) else { break };
                    match self.stopped(first, told.clone().next()) {
                        Some(cancelled) => self.stop(cancelled),
                        None => self.claim(worker, first, told.next())?,
                    }
                }
                left -= before - told.len();
            }
        }
        if let Some(more) = told.next() {
            return Err(Wrong(format!("nothing more should have come, but {more:?}")));
        }
        let is_left = requests.iter().find_map(|want| self.first(&want.queue));
        if let Some(left) = is_left.filter(|_| !fetched.more) {
            return Err(Wrong(format!("{} is left, and should have been told of", self.items[left].message)));
        }
        let of_queue = |queue: &QueueName| {
            let is_new = |item: &Item| item.queue == *queue && matches!(item.place, Place::Held { inbox: Some(_), .. });
            // What nobody has looked at counts as due.
            if self.items.iter().any(is_new) { Some(self.now) } else { self.next_due(std::slice::from_ref(queue)) }
        };
        let due = self.workers[worker].queues.iter().filter_map(of_queue).min();
        differ("the next due time", &due, &fetched.next_due)
    }

    /// On which side of the usual band it is.
    fn sign(&self, at: usize) -> i32 {
        if let Place::Ready { band, .. } = self.items[at].place { band.signum() } else { 0 }
    }

    /// Which of those of the first rank, if any, was found to be cancelled. They lie in any order, so one that was delivered may have
    /// come before it.
    fn stopped(&self, first: usize, told: Option<&Delivery>) -> Option<usize> {
        let Item { queue, place, .. } = &self.items[first];
        let is_of_rank = |item: &&Item| item.queue == *queue && item.place == *place;
        let is_told = |item: &Item| told.is_some_and(|told| check::is_delivered(item, told));
        if self.items.iter().filter(is_of_rank).any(|item| item.cancelled.is_none() && is_told(item)) {
            return None;
        }
        self.items.iter().position(|item| is_of_rank(&item) && item.cancelled.is_some())
    }

    /// What is cancelled, and was put back by somebody who cannot know of it, dies where it is fetched; the fetch may bring one less.
    fn stop(&mut self, at: usize) {
        let item = self.items.swap_remove(at);
        self.die(&item.queue, item.name.clone(), item.body(), item.cancelled.unwrap_or_default());
        self.happened(Move::Stopped, 1);
    }

    /// Claims what a fetch has brought whose answer was lost.
    pub fn fetched_unseen(&mut self, worker: usize, requests: &[FetchRequest]) {
        for want in requests {
            for _ in 0..want.count {
                let Some(first) = self.first(&want.queue) else { break };
                self.items[first].place = Place::Claimed { by: worker };
                self.items[first].started = None;
            }
        }
    }

    /// What is to be fetched next from a queue, by index.
    fn first(&self, queue: &QueueName) -> Option<usize> {
        let ready = self.items.iter().enumerate().filter(|(_, item)| item.queue == *queue);
        let ready = ready.filter_map(|(at, item)| match item.place {
            Place::Ready { band, rank } => Some((band, rank, at)),
            _ => None,
        });
        ready.min().map(|(.., at)| at).filter(|_| !self.paused.contains(queue))
    }

    /// What was delivered has to be this message, or another one of the same rank.
    fn claim(&mut self, worker: usize, first: usize, told: Option<&Delivery>) -> Result<(), Wrong> {
        let Item { queue, place, .. } = self.items[first].clone();
        let fits = |item: &&mut Item| {
            item.queue == queue && item.place == place && told.is_some_and(|told| check::is_delivered(item, told))
        };
        let Some(item) = self.items.iter_mut().find(fits) else {
            let item = &self.items[first];
            return Err(Wrong(format!("{} should have come ({:?}), but {told:?}", item.message, item.note)));
        };
        item.name = told.map(|told| told.claim.id.clone());
        item.place = Place::Claimed { by: worker };
        item.started = None;
        if let Some(told) = told {
            // Whatever it was once, the answer that brings it may be under way.
            self.workers[worker].surplus.remove(&(queue, told.claim.id.clone()));
        }
        Ok(())
    }

    /// How many messages of a queue are in which place; of the dead, those that cannot have expired.
    #[must_use]
    pub fn counts(&self, queue: &QueueName) -> Counts {
        let mut counts = Counts::default();
        for item in self.items.iter().filter(|item| item.queue == *queue) {
            match item.place {
                Place::Ready { .. } => counts.ready += 1,
                Place::Held { .. } | Place::Taken { due: Some(_), .. } => counts.delayed += 1,
                Place::Claimed { .. } | Place::Taken { due: None, .. } => counts.claimed += 1,
            }
        }
        counts.dead = self.letters.iter().filter(|letter| letter.queue == *queue && !self.may_be_gone(letter)).count();
        counts
    }

    fn may_be_gone(&self, letter: &Letter) -> bool {
        self.now.since(letter.died) >= KEPT
    }

    fn next_due(&self, queues: &[QueueName]) -> Option<Timestamp> {
        let of_queues = self.items.iter().filter(|item| queues.contains(&item.queue));
        let due = |item: &Item| if let Place::Held { due, .. } = item.place { Some(due) } else { None };
        of_queues.filter_map(due).min()
    }

    /// It dies in the store, without a worker's doing: its end is still to be made.
    fn die(&mut self, queue: &QueueName, name: Option<Arc<str>>, body: Body, reason: String) {
        self.dead_letter(queue, name, body, reason, true);
    }

    fn dead_letter(&mut self, queue: &QueueName, name: Option<Arc<str>>, body: Body, reason: String, is_unended: bool) {
        let is_free = |name: &Arc<str>| {
            !self.letters.iter().any(|letter| letter.queue == *queue && letter.name.as_ref() == Some(name))
        };
        let name = name.filter(is_free);
        let (queue, reason) = (queue.clone(), Some(reason));
        self.letters.push(Letter { queue, name, body, reason, died: self.now, is_unended });
    }

    /// Lets time pass.
    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }
}
