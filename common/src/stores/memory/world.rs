//! The places of one memory store, as plain data.

mod dead_letters;
mod finish;
mod groups;
mod info;
mod kept;
mod limiters;
mod look;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use self::dead_letters::DeadLetters;
use self::groups::Group;
use self::kept::Kept;
use self::limiters::Limits;
use crate::clock::Timestamp;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    BEAT_INTERVAL, Claim, DeadLetter, Delivery, FetchRequest, PRIORITIES, Registration, Undecodable, Unended, WorkerId,
    fresh_name,
};
use crate::stores::shared::blame::{Note, Run};
use crate::stores::shared::liveness::Peer;
use crate::stores::shared::shares::Room;

/// Everything that a store holds.
#[derive(Debug, Default)]
pub(super) struct World {
    queues: HashMap<QueueName, Queue>,
    workers: HashMap<WorkerId, Worker>,
    /// What the ends of runs have stored.
    stored: Kept<Vec<u8>>,
    groups: Kept<Group>,
    limits: Limits,
    /// Every message that was enqueued, where somebody wants to know.
    recorded: Option<Vec<Message>>,
}

#[derive(Debug)]
struct Worker {
    queues: Vec<QueueName>,
    beat: Timestamp,
    /// What had not started then.
    waiting: HashSet<Claim>,
    /// When it recorded a start for the last time.
    last_start: Option<Timestamp>,
}

/// Where a message lies that nobody has claimed.
#[derive(Clone, Copy, Debug)]
enum Spot {
    Ready((i32, i64)),
    Held((Timestamp, u64)),
}

/// One queue: a message is in exactly one of the three places, or dead.
#[derive(Debug, Default)]
struct Queue {
    bodies: BTreeMap<Arc<str>, Vec<u8>>,
    /// By priority, then by a number that grows towards the tail.
    ready: BTreeMap<(i32, i64), Arc<str>>,
    /// By due time, then by arrival, with the priority for later.
    held: BTreeMap<(Timestamp, u64), (Arc<str>, i32)>,
    /// The keys of what is ready or held, by id.
    spots: HashMap<Arc<str>, Spot>,
    claimed: HashMap<Arc<str>, WorkerId>,
    /// Of what is claimed, what has started, as far as that was recorded.
    started: HashMap<Arc<str>, Timestamp>,
    dead: DeadLetters,
    /// What is known of the deaths of workers.
    notes: HashMap<Arc<str>, Note>,
    /// What is claimed and was cancelled, with the reason.
    cancelled: HashMap<Arc<str>, String>,
    paused: bool,
    arrivals: u64,
}

impl Queue {
    /// Adds a body under `id`, to be ready or held.
    fn put(&mut self, id: Arc<str>, body: Vec<u8>, due: Option<Timestamp>, priority: i32) {
        self.bodies.insert(id.clone(), body);
        match due {
            None => self.push_tail(id, priority),
            Some(due) => {
                self.arrivals += 1;
                self.spots.insert(id.clone(), Spot::Held((due, self.arrivals)));
                self.held.insert((due, self.arrivals), (id, priority));
            }
        }
    }

    fn push_tail(&mut self, id: Arc<str>, priority: i32) {
        let band = self.ready.range((priority, i64::MIN)..=(priority, i64::MAX));
        let last = band.last().map_or(0, |((_, number), _)| *number);
        self.put_ready((priority, last + 1), id);
    }

    fn push_head(&mut self, id: Arc<str>) {
        let priority = self
            .bodies
            .get(&id)
            .and_then(|body| Message::decode(body, Timestamp::EPOCH).ok())
            .map_or(0, |m| priority(&m));
        let mut band = self.ready.range((priority, i64::MIN)..=(priority, i64::MAX));
        let first = band.next().map_or(0, |((_, number), _)| *number);
        self.put_ready((priority, first - 1), id);
    }

    fn put_ready(&mut self, key: (i32, i64), id: Arc<str>) {
        self.spots.insert(id.clone(), Spot::Ready(key));
        self.ready.insert(key, id);
    }

    /// Takes the first ready one.
    fn pop_ready(&mut self) -> Option<Arc<str>> {
        let (_, id) = self.ready.pop_first()?;
        self.spots.remove(&id);
        Some(id)
    }

    /// It dies without a worker's doing: whose end that is, is still to be made.
    fn die(&mut self, id: &str, bytes: Vec<u8>, reason: String, now: Timestamp) {
        self.dead.add(id, bytes, reason, now, false);
    }
}

fn priority(message: &Message) -> i32 {
    message.priority().clamp(*PRIORITIES.start(), *PRIORITIES.end())
}

impl World {
    pub(super) fn register(&mut self, registration: &Registration, waiting: &[Claim], now: Timestamp) {
        let waiting = waiting.iter().cloned().collect();
        let last_start = self.workers.get(&registration.worker).and_then(|worker| worker.last_start);
        let worker = Worker { queues: registration.queues.clone(), beat: now, waiting, last_start };
        self.workers.insert(registration.worker.clone(), worker);
    }

    pub(super) fn is_registered(&self, worker: &WorkerId) -> bool {
        self.workers.contains_key(worker)
    }

    /// Stores a message, unless the same bytes are there under its id.
    pub(super) fn enqueue(&mut self, message: &Message, now: Timestamp) {
        let queue = self.queues.entry(message.queue_name.clone()).or_default();
        let body = message.encode();
        let id: Arc<str> = message.message_id.as_str().into();
        let id = match queue.bodies.get(&id) {
            Some(same) if *same == body => return,
            Some(_) => fresh_name(message).into(),
            None => id,
        };
        let due = message.eta(now).filter(|due| *due > now);
        queue.put(id, body, due, priority(message));
        if let Some(recorded) = &mut self.recorded {
            recorded.push(message.clone());
        }
    }

    pub(super) fn record(&mut self) {
        self.recorded.get_or_insert_default();
    }

    pub(super) fn recorded(&self) -> &[Message] {
        self.recorded.as_deref().unwrap_or_default()
    }

    pub(super) fn fetch(
        &mut self,
        worker: &WorkerId,
        request: &FetchRequest,
        room: &mut Room,
        now: Timestamp,
    ) -> Vec<Delivery> {
        let Some(queue) = self.queues.get_mut(&request.queue) else {
            return Vec::new();
        };
        let mut deliveries = Vec::new();
        while deliveries.len() < request.count && !queue.paused {
            let Some(((priority, _), first)) = queue.ready.first_key_value() else { break };
            if request.before.is_some_and(|before| *priority >= before) {
                break;
            }
            if !room.take(queue.bodies.get(first).map_or(0, Vec::len)) {
                break;
            }
            let Some(id) = queue.pop_ready() else { break };
            let Some(bytes) = queue.bodies.get(&id) else { continue };
            let body = Message::decode(bytes, now).map_err(|error| Undecodable { bytes: bytes.clone(), error });
            queue.claimed.insert(id.clone(), worker.clone());
            let note = queue.notes.get(&id).copied().unwrap_or_default();
            let claim = Claim::of(&request.queue, id, &body);
            deliveries.push(Delivery { claim, body, crashes: note.crashes(), marked: note.is_marked() });
        }
        deliveries
    }

    /// Records that a worker is about to run what it holds; answers whether it does.
    pub(super) fn start(&mut self, worker: &WorkerId, claim: &Claim, now: Timestamp) -> bool {
        let Some(queue) = self.queues.get_mut(&claim.queue) else {
            return false;
        };
        let is_held = queue.claimed.get(&claim.id) == Some(worker);
        if is_held {
            queue.started.insert(claim.id.clone(), now);
            let note = queue.notes.entry(claim.id.clone()).or_default();
            *note = note.after_start();
            if let Some(worker) = self.workers.get_mut(worker) {
                worker.last_start = Some(now);
            }
        }
        is_held
    }

    /// Some of the dead letters whose end is still to be made.
    pub(super) fn unended(&self, queues: &[QueueName], limit: usize) -> Vec<Unended> {
        let of_queue = |name: &QueueName| -> Vec<Unended> {
            let letters = self.queues.get(name).into_iter().flat_map(|queue| queue.dead.unended());
            let unended = |letter: &DeadLetter| Unended {
                claim: Claim { queue: name.clone(), id: letter.id.as_str().into() },
                bytes: Some(letter.bytes.clone()),
                reason: letter.reason.clone().unwrap_or_default(),
                died: letter.died,
            };
            letters.take(limit).map(unended).collect()
        };
        queues.iter().flat_map(of_queue).take(limit).collect()
    }

    /// Those of these queues that have some.
    pub(super) fn with_unended(&self, queues: &[QueueName]) -> Vec<QueueName> {
        let has_some =
            |name: &&QueueName| self.queues.get(name).is_some_and(|queue| queue.dead.unended().next().is_some());
        queues.iter().filter(has_some).cloned().collect()
    }

    /// Stores a new body under a fresh id, with what is known of deaths.
    fn put(&mut self, message: &Message, due: Option<Timestamp>, note: Option<Note>, now: Timestamp) {
        let mut message = message.clone();
        let due = due.filter(|due| *due > now);
        message.set_eta(due);
        let queue = self.queues.entry(message.queue_name.clone()).or_default();
        let id: Arc<str> = fresh_name(&message).into();
        queue.notes.extend(note.map(|note| (id.clone(), note)));
        queue.put(id, message.encode(), due, priority(&message));
    }

    /// Moves what is due to the ready ones, and forgets dead letters that were kept long enough.
    pub(super) fn promote(&mut self, name: &QueueName, now: Timestamp) -> usize {
        let Some(queue) = self.queues.get_mut(name) else {
            return 0;
        };
        queue.dead.expire(now);
        let mut moved = 0;
        while let Some(first) = queue.held.first_entry().filter(|first| first.key().0 <= now) {
            let (id, priority) = first.remove();
            queue.push_tail(id, priority);
            moved += 1;
        }
        moved
    }

    /// The other workers that have not beaten for an interval, or beat ahead of time.
    pub(super) fn silent(&self, but: &WorkerId, now: Timestamp) -> Vec<Peer> {
        let others = self.workers.iter().filter(|(worker, _)| *worker != but);
        let silent =
            others.filter(|(_, known)| now.since(known.beat) > BEAT_INTERVAL || known.beat.since(now) > BEAT_INTERVAL);
        let peer = |(worker, known): (&WorkerId, &Worker)| Peer {
            id: worker.as_str().to_owned(),
            score: known.beat.to_string(),
            queues: Some(known.queues.iter().map(ToString::to_string).collect()),
        };
        silent.map(peer).collect()
    }

    /// Requeues what a dead worker held, on all of its queues, and takes it off.
    pub(super) fn recover(&mut self, dead: &str, now: Timestamp) -> usize {
        let Some(dead) = self.workers.keys().find(|worker| worker.as_str() == dead).cloned() else {
            return 0;
        };
        let Some(worker) = self.workers.remove(&dead) else {
            return 0;
        };
        let mut moved = 0;
        for name in &worker.queues {
            let Some(queue) = self.queues.get_mut(name) else {
                continue;
            };
            let ids: BTreeSet<_> =
                queue.claimed.iter().filter(|(_, holder)| **holder == dead).map(|(id, _)| id.clone()).collect();
            for id in ids {
                queue.claimed.remove(&id);
                let started = queue.started.remove(&id);
                if let Some(reason) = queue.cancelled.remove(&id) {
                    queue.notes.remove(&id);
                    if let Some(bytes) = queue.bodies.remove(&id) {
                        queue.die(&id, bytes, reason, now);
                    }
                    continue;
                }
                let had_waited = worker.waiting.contains(&Claim { queue: name.clone(), id: id.clone() });
                let note = queue.notes.entry(id.clone()).or_default();
                *note = note.after_death(Run::of(started, worker.last_start, had_waited));
                queue.push_head(id);
                moved += 1;
            }
        }
        moved
    }

    /// What the worker has claimed.
    pub(super) fn claims(&self, worker: &WorkerId) -> Vec<Claim> {
        let of_queue = |(name, queue): (&QueueName, &Queue)| -> Vec<_> {
            let mine = queue.claimed.iter().filter(|(_, holder)| *holder == worker);
            mine.map(|(id, _)| Claim { queue: name.clone(), id: id.clone() }).collect()
        };
        self.queues.iter().flat_map(of_queue).collect()
    }

    /// Takes a worker off that holds nothing.
    pub(super) fn deregister(&mut self, worker: &WorkerId) {
        if !self.queues.values().any(|queue| queue.claimed.values().any(|holder| holder == worker)) {
            self.workers.remove(worker);
        }
    }

    /// Which of these claims somebody has cancelled.
    pub(super) fn cancelled(&self, worker: &WorkerId) -> Vec<Claim> {
        let of_queue = |(name, queue): (&QueueName, &Queue)| -> Vec<_> {
            let mine = queue.cancelled.keys().filter(|id| queue.claimed.get(*id) == Some(worker));
            mine.map(|id| Claim { queue: name.clone(), id: id.clone() }).collect()
        };
        self.queues.iter().flat_map(of_queue).collect()
    }

    pub(super) fn is_ready(&self, queues: &[QueueName]) -> bool {
        let queues = queues.iter().filter_map(|name| self.queues.get(name));
        queues.into_iter().any(|queue| !queue.paused && !queue.ready.is_empty())
    }

    pub(super) fn is_ready_before(&self, queues: &[QueueName], before: i32) -> bool {
        let is_before = |queue: &Queue| queue.ready.keys().next().is_some_and(|(priority, _)| *priority < before);
        queues.iter().filter_map(|name| self.queues.get(name)).any(|queue| !queue.paused && is_before(queue))
    }

    pub(super) fn next_due(&self, queues: &[QueueName]) -> Option<Timestamp> {
        let queues = queues.iter().filter_map(|name| self.queues.get(name));
        queues.filter_map(|queue| queue.held.keys().next()).map(|(due, _)| *due).min()
    }
}
