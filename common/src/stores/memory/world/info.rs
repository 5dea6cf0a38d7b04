//! Looking inside of a memory store, and moving by hand what lies there.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::{Queue, Spot, World};
use crate::clock::Timestamp;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    AHEAD_LIMIT, BEAT_INTERVAL, Cancelled, Claim, Counts, DEAD_AFTER, DeadLetter, Kept, MessageInfo, PAGE, PURGE_LIMIT,
    QueueInfo, State, WorkerInfo,
};

impl Queue {
    fn counts(&self) -> Counts {
        Counts { ready: self.ready.len(), delayed: self.held.len(), claimed: self.claimed.len(), dead: self.dead.len() }
    }

    /// The place that a name lies in, dead letters excepted.
    pub(super) fn state(&self, name: &str) -> Option<State> {
        if let Some(worker) = self.claimed.get(name) {
            let cancelled = self.cancelled.contains_key(name);
            return Some(State::Claimed { worker: worker.as_str().to_owned(), cancelled });
        }
        Some(match *self.spots.get(name)? {
            Spot::Held((due, _)) => State::Delayed { due },
            Spot::Ready(key) => {
                let ahead = self.ready.range(..key).take(AHEAD_LIMIT + 1).count();
                State::Ready { ahead: Some(ahead).filter(|ahead| *ahead <= AHEAD_LIMIT) }
            }
        })
    }

    fn info(&self, queue: &QueueName, name: &str) -> Option<MessageInfo> {
        Some(MessageInfo {
            queue: queue.clone(),
            name: name.to_owned(),
            bytes: self.bodies.get(name)?.clone(),
            crashes: self.notes.get(name).copied().unwrap_or_default().crashes(),
            state: self.state(name)?,
        })
    }

    /// The names that start with an id, else those whose bodies have it.
    fn names_of(&self, id: &str, depth: usize) -> Vec<Arc<str>> {
        let from: (Bound<&str>, _) = (Bound::Included(id), Bound::Unbounded);
        let outside = self.bodies.range::<str, _>(from).map(|(name, _)| name).take_while(|name| name.starts_with(id));
        let mut names: Vec<_> = outside.take(PAGE).cloned().collect();
        let inside = self.bodies.iter().take(depth).filter(|(name, body)| !name.starts_with(id) && has_id(body, id));
        names.extend(inside.take(PAGE - names.len()).map(|(name, _)| name.clone()));
        names
    }
}

/// Whether a body is that of a message whose id starts so.
fn has_id(body: &[u8], id: &str) -> bool {
    Message::decode(body, Timestamp::EPOCH).is_ok_and(|message| message.message_id.as_str().starts_with(id))
}

impl World {
    pub(in crate::stores::memory) fn counts(&self, name: &QueueName) -> Counts {
        self.queues.get(name).map_or_else(Counts::default, Queue::counts)
    }

    pub(in crate::stores::memory) fn queue(&self, name: &QueueName) -> Option<QueueInfo> {
        let paused = self.queues.get(name).is_some_and(|queue| queue.paused);
        let info = QueueInfo { name: name.clone(), counts: self.counts(name), paused };
        let is_known = paused
            || info.counts != Counts::default()
            || self.workers.values().any(|worker| worker.queues.contains(name));
        is_known.then_some(info)
    }

    pub(in crate::stores::memory) fn queues(&self, after: Option<&QueueName>, limit: usize) -> Vec<QueueInfo> {
        let mut names: BTreeSet<_> = self.queues.keys().collect();
        names.extend(self.workers.values().flat_map(|worker| &worker.queues));
        let rest = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        rest.filter_map(|name| self.queue(name)).take(limit).collect()
    }

    pub(in crate::stores::memory) fn workers(
        &self,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<WorkerInfo> {
        let mut workers: Vec<_> =
            self.workers.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after)).collect();
        workers.sort_unstable_by_key(|(id, _)| *id);
        let info = |(id, worker): (&crate::store::WorkerId, &super::Worker)| {
            let claims = self.queues.iter().flat_map(|(name, queue)| {
                let mine = queue.claimed.iter().filter(|(_, holder)| *holder == id);
                mine.map(|(claimed, _)| Claim { queue: name.clone(), id: claimed.clone() })
            });
            let mut claims: Vec<_> = claims.take(PAGE).collect();
            claims.sort_unstable();
            let silent_for = now.since(worker.beat);
            WorkerInfo {
                id: id.as_str().to_owned(),
                queues: Some(worker.queues.clone()),
                silent_for,
                is_silent: silent_for >= BEAT_INTERVAL * DEAD_AFTER,
                claims,
            }
        };
        workers.into_iter().take(limit).map(info).collect()
    }

    pub(in crate::stores::memory) fn find(&self, id: &str, depth: usize) -> Vec<MessageInfo> {
        let mut found = Vec::new();
        for (name, queue) in &self.queues {
            found.extend(queue.names_of(id, depth).iter().filter_map(|known| queue.info(name, known)));
            let dead = queue.dead.iter().enumerate();
            let dead =
                dead.filter(|(at, letter)| letter.id.starts_with(id) || (*at < depth && has_id(&letter.bytes, id)));
            found.extend(dead.map(|(_, letter)| MessageInfo {
                queue: name.clone(),
                name: letter.id.clone(),
                bytes: letter.bytes.clone(),
                crashes: 0,
                state: State::Dead { died: letter.died, reason: letter.reason.clone() },
            }));
        }
        found.truncate(PAGE);
        found
    }

    pub(in crate::stores::memory) fn dead_letters(
        &self,
        name: &QueueName,
        skip: usize,
        limit: usize,
    ) -> Vec<DeadLetter> {
        self.queues.get(name).map_or_else(Vec::new, |queue| queue.dead.iter().skip(skip).take(limit).cloned().collect())
    }

    pub(in crate::stores::memory) fn requeue_dead(
        &mut self,
        queue: &QueueName,
        name: &str,
        message: &Message,
        now: Timestamp,
    ) -> bool {
        let was_there = self.delete(queue, name);
        if was_there {
            self.put(message, None, None, now);
        }
        was_there
    }

    pub(in crate::stores::memory) fn delete(&mut self, queue: &QueueName, name: &str) -> bool {
        self.queues.get_mut(queue).is_some_and(|queue| queue.dead.remove(name))
    }

    pub(in crate::stores::memory) fn cancel(
        &mut self,
        queue: &QueueName,
        name: &str,
        reason: &str,
        now: Timestamp,
    ) -> Option<Cancelled> {
        let queue = self.queues.get_mut(queue)?;
        let (id, _) = queue.bodies.get_key_value(name)?;
        let id = id.clone();
        if let Some(worker) = queue.claimed.get(&id) {
            let worker = worker.as_str().to_owned();
            queue.cancelled.insert(id, reason.to_owned());
            return Some(Cancelled::Claimed { worker });
        }
        let was = match queue.spots.remove(&id)? {
            Spot::Ready(key) => queue.ready.remove(&key).map(|_| Cancelled::Ready),
            Spot::Held(key) => queue.held.remove(&key).map(|_| Cancelled::Delayed),
        };
        let bytes = queue.bodies.remove(&id)?;
        queue.notes.remove(&id);
        queue.die(&id, bytes, reason.to_owned(), now);
        was
    }

    pub(in crate::stores::memory) fn pause(&mut self, queue: &QueueName, paused: bool) -> bool {
        let queue = self.queues.entry(queue.clone()).or_default();
        std::mem::replace(&mut queue.paused, paused) != paused
    }

    pub(in crate::stores::memory) fn purge(&mut self, queue: &QueueName) -> usize {
        let Some(queue) = self.queues.get_mut(queue) else { return 0 };
        let mut purged = Vec::new();
        while purged.len() < PURGE_LIMIT {
            let first = queue.ready.pop_first().map(|(_, id)| id);
            match first.or_else(|| queue.held.pop_first().map(|(_, (id, _))| id)) {
                Some(id) => purged.push(id),
                None => break,
            }
        }
        for id in &purged {
            queue.bodies.remove(id);
            queue.spots.remove(id);
            queue.notes.remove(id);
        }
        purged.len()
    }

    pub(in crate::stores::memory) fn keep(&mut self, kept: &Kept, now: Timestamp) {
        self.stored.keep(&kept.key, kept.value.clone(), now + kept.ttl, now);
    }

    pub(in crate::stores::memory) fn stored(&self, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        self.stored.get(key, now).cloned()
    }

    /// Tells whether something was there.
    pub(in crate::stores::memory) fn forget(&mut self, key: &str, now: Timestamp) -> bool {
        self.stored.remove(key, now)
    }
}
