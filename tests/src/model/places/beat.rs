//! What a beat brings about.

use super::{
    Item, Move, Note, Place, Places, Worker, Wrong,
    admin::{Looks, Peer},
    differ,
};
use common::{
    clock::Timestamp,
    message::Message,
    queue_name::QueueName,
    store::{Beat, Claim},
};
use std::collections::BTreeMap;

/// What a beat finds.
struct Found {
    /// Whether something was ready before anything was taken from the dead.
    ready: bool,
    /// When the next one was due, before that.
    next_due: Option<Timestamp>,
    /// Which claims of the worker are cancelled.
    cancelled: Vec<Claim>,
    /// How many messages became ready.
    moved: usize,
}

impl Places {
    /// Registers a worker, which counts as its first beat; answers its number.
    pub fn register(&mut self, id: &str, queues: &[QueueName]) -> usize {
        let worker = Worker {
            id: id.to_owned(),
            queues: queues.to_vec(),
            is_registered: true,
            beat: self.now,
            waiting: Vec::new(),
            last_start: None,
            looks: Looks::default(),
            surplus: BTreeMap::new(),
            expired: None,
        };
        self.workers.push(worker);
        let worker = self.workers.len() - 1;
        if self.tolerances.join_looks_after_queues {
            self.upkeep(worker, &[], &[]);
        }
        worker
    }

    /// Records that a worker is about to run what it holds.
    ///
    /// # Errors
    ///
    /// Where it holds it, and the store says that it doesn't, or the other way round.
    pub fn started(&mut self, worker: usize, claim: &Claim, told: bool) -> Result<(), Wrong> {
        differ("whether it is this worker's to start", &self.holds(worker, claim), &told)?;
        let is_it = |item: &&mut Item| {
            item.queue == claim.queue
                && item.name.as_ref() == Some(&claim.id)
                && item.place == Place::Claimed { by: worker }
        };
        if let Some(item) = self.items.iter_mut().find(is_it) {
            item.started = Some(self.now);
            if !item.note.is_marked() {
                item.note = Note::Marked(0);
            }
            self.workers[worker].last_start = Some(self.now);
        }
        Ok(())
    }

    /// A worker lives, and has looked after its queues; `held` is what it believes to hold, and `waiting` what of it has not started.
    ///
    /// # Errors
    ///
    /// What the beat should have found.
    pub fn beaten(&mut self, worker: usize, held: &[Claim], waiting: &[Claim], told: &Beat) -> Result<(), Wrong> {
        let lost = |claim: &&Claim| !self.holds(worker, claim);
        let lost: Vec<Claim> = held.iter().filter(lost).cloned().collect();
        self.happened(Move::Lost, lost.len());
        let unended = self.with_unended(worker, true);
        let Found { ready, next_due, mut cancelled, moved } = self.upkeep(worker, held, waiting);
        // What dies in the same beat may be told of with the next one.
        let may_be = self.with_unended(worker, false);
        if !unended.iter().all(|queue| told.unended.contains(queue))
            || !told.unended.iter().all(|queue| may_be.contains(queue))
        {
            return Err(Wrong(format!(
                "ends should be left to make in {unended:?}, or in {may_be:?} at most, and not in {:?}",
                told.unended
            )));
        }
        let queues = &self.workers[worker].queues;
        differ("its time", &self.now, &told.now)?;
        differ("what is lost", &sorted(lost), &sorted(told.lost.clone()))?;
        // Of a claim that the worker doesn't know of, it may hear that it is cancelled, and may not.
        cancelled.retain(|claim| held.contains(claim));
        let heard = told.cancelled.iter().filter(|claim| held.contains(claim)).cloned().collect();
        differ("what is cancelled", &sorted(cancelled), &sorted(heard))?;
        differ("how many moved", &moved, &told.moved)?;
        // What else there is may be looked up before what is found in the same beat comes back.
        if told.next_due != next_due {
            differ("the next due time", &self.next_due(queues), &told.next_due)?;
        }
        if told.ready != ready {
            differ("whether something is ready", &self.is_ready(queues), &told.ready)?;
        }
        Ok(())
    }

    /// A worker has beaten, and the answer was lost.
    pub fn beaten_unseen(&mut self, worker: usize, held: &[Claim], waiting: &[Claim]) {
        self.upkeep(worker, held, waiting);
    }

    /// Does the upkeep of a beat.
    fn upkeep(&mut self, worker: usize, held: &[Claim], waiting: &[Claim]) -> Found {
        let queues = self.workers[worker].queues.clone();
        self.workers[worker].is_registered = true;
        self.workers[worker].beat = self.now;
        self.workers[worker].waiting = waiting.to_vec();
        for queue in &queues {
            self.fleets.insert(queue.clone(), self.now);
        }
        let mut moved = self.promote(&queues);
        self.happened(Move::Promoted, moved);
        self.expire(worker, &queues);
        let (ready, next_due, cancelled) = (self.is_ready(&queues), self.next_due(&queues), self.cancelled(worker));
        // All that comes to the head in one beat may lie there in any order.
        let rank = self.next_head();
        self.release_surplus(worker, held, rank);
        for dead in self.dead(worker) {
            let (what, recovered) = match dead {
                Peer::Rust(dead) => {
                    self.workers[dead].is_registered = false;
                    (Move::Recovered, self.recover(dead, rank))
                }
                Peer::Python(dead) => (Move::RecoveredFromPython, self.recover_python(dead, &queues, rank)),
            };
            self.happened(what, recovered);
            moved += recovered;
        }
        Found { ready, next_due, cancelled, moved }
    }

    /// What is due becomes ready, in the order of the times; of one time, in any order.
    fn promote(&mut self, queues: &[QueueName]) -> usize {
        let is_due = |item: &Item| match item.place {
            Place::Held { due, .. } if due <= self.now && queues.contains(&item.queue) => Some(due),
            _ => None,
        };
        let mut due: Vec<_> =
            self.items.iter().enumerate().filter_map(|(at, item)| Some((is_due(item)?, at))).collect();
        due.sort_unstable();
        for item in self.items.iter_mut().filter(|item| queues.contains(&item.queue)) {
            if let Place::Held { inbox, .. } = &mut item.place {
                *inbox = None;
            }
        }
        let mut last = None;
        for (time, at) in &due {
            if last != Some(*time) {
                self.next_tail();
                last = Some(*time);
            }
            let Item { queue, message, .. } = self.items[*at].clone();
            self.items[*at].place = self.ready(&queue, &message, self.tail);
        }
        due.len()
    }

    /// Forgets what was kept long enough.
    fn expire(&mut self, worker: usize, queues: &[QueueName]) {
        let last = self.workers[worker].expired;
        if last.is_none_or(|last| self.now.since(last) >= self.tolerances.expire_every) {
            self.workers[worker].expired = Some(self.now);
            let (now, before) = (self.now, self.letters.len());
            self.letters.retain(|letter| !queues.contains(&letter.queue) || now.since(letter.died) < super::KEPT);
            self.happened(Move::Expired, before - self.letters.len());
        }
    }

    /// Requeues what the worker has not known of for too long: the answer that brought it was lost.
    fn release_surplus(&mut self, worker: usize, held: &[Claim], rank: i64) {
        let known = std::mem::take(&mut self.workers[worker].surplus);
        for at in (0..self.items.len()).rev() {
            let item = &self.items[at];
            let (Some(name), Place::Claimed { by }) = (&item.name, &item.place) else { continue };
            if *by != worker || held.iter().any(|claim| claim.queue == item.queue && claim.id == *name) {
                continue;
            }
            let key = (item.queue.clone(), name.clone());
            let since = known.get(&key).copied().unwrap_or(self.now);
            if self.now.since(since) > self.tolerances.surplus_after {
                self.return_to_head(at, rank);
                self.happened(Move::Forgotten, 1);
            } else {
                self.workers[worker].surplus.insert(key, since);
            }
        }
    }

    /// What a dead worker held goes back to the heads of its queues; answers how much of it went back.
    fn recover(&mut self, dead: usize, rank: i64) -> usize {
        let mut moved = 0;
        for at in (0..self.items.len()).rev() {
            if self.items[at].place != (Place::Claimed { by: dead }) {
                continue;
            }
            let item = &mut self.items[at];
            let is_it = |claim: &Claim| claim.queue == item.queue && item.name.as_ref() == Some(&claim.id);
            let had_waited = self.workers[dead].waiting.iter().any(is_it);
            let what = item.survives(had_waited, self.workers[dead].last_start);
            let is_back = self.return_to_head(at, rank);
            if is_back {
                self.happened(what, 1);
                if self.tolerances.recovers_without_priority {
                    self.items[at].place = Place::Ready { band: 0, rank };
                }
            }
            moved += usize::from(is_back);
        }
        moved
    }

    /// As [`Places::recover`], of the worker's own queues; what was delayed goes back to the inbox.
    fn recover_python(&mut self, dead: usize, queues: &[QueueName], rank: i64) -> usize {
        let mut moved = 0;
        for at in (0..self.items.len()).rev() {
            let Place::Taken { by, due } = self.items[at].place else { continue };
            if by != dead || !queues.contains(&self.items[at].queue) {
                continue;
            }
            if let Some(reason) = self.items[at].cancelled.clone() {
                let item = self.items.swap_remove(at);
                self.die(&item.queue, item.name.clone(), item.body(), reason);
                self.happened(Move::Stopped, 1);
                continue;
            }
            if let Some(due) = due {
                self.items[at].place = Place::Held { due, inbox: Some(rank) };
                continue;
            }
            // Python records no starts, and says nothing of what waits.
            let what = self.items[at].survives(false, None);
            self.happened(what, 1);
            self.items[at].place = Place::Ready { band: 0, rank };
            moved += 1;
        }
        moved
    }

    /// A claim is requeued, unless it is cancelled: then the message dies. Answers which.
    fn return_to_head(&mut self, at: usize, rank: i64) -> bool {
        let item = self.items[at].clone();
        if let Some(reason) = &item.cancelled {
            self.items.swap_remove(at);
            self.happened(Move::Stopped, 1);
            self.die(&item.queue, item.name.clone(), item.body(), reason.clone());
            return false;
        }
        self.items[at].place = self.ready_at_head(&item.queue, &item.message, rank);
        true
    }

    pub(super) fn ready_at_head(&mut self, queue: &QueueName, message: &Message, rank: i64) -> Place {
        match self.ready(queue, message, rank) {
            // Without a fleet there is one band only.
            Place::Ready { band: 0, .. } => Place::Ready { band: 0, rank },
            place => place,
        }
    }

    pub(in crate::model) fn is_ready(&self, queues: &[QueueName]) -> bool {
        queues.iter().any(|queue| self.first(queue).is_some())
    }

    /// Whether a worker holds what it believes to hold.
    #[must_use]
    pub fn holds(&self, worker: usize, claim: &Claim) -> bool {
        self.claims(worker).any(|(known, _)| known == *claim)
    }

    fn cancelled(&self, worker: usize) -> Vec<Claim> {
        self.claims(worker).filter(|(_, is_cancelled)| *is_cancelled).map(|(claim, _)| claim).collect()
    }

    /// The claims of a worker, and whether each is cancelled.
    pub(super) fn claims(&self, worker: usize) -> impl Iterator<Item = (Claim, bool)> {
        self.items.iter().filter_map(move |item| match (&item.place, &item.name) {
            (Place::Claimed { by }, Some(name)) if *by == worker => {
                Some((Claim { queue: item.queue.clone(), id: name.clone() }, item.cancelled.is_some()))
            }
            _ => None,
        })
    }
}

fn sorted(mut claims: Vec<Claim>) -> Vec<Claim> {
    claims.sort_unstable();
    claims
}
