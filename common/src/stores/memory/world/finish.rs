//! How claims end.

use super::World;
use crate::clock::Timestamp;
use crate::store::{Body, Claim, Completion, Counted, Disposition, Effect, Finished, WorkerId};

impl World {
    pub(in crate::stores::memory) fn finish(
        &mut self,
        worker: &WorkerId,
        completion: &Completion,
        now: Timestamp,
    ) -> Finished {
        let Claim { queue: name, id } = &completion.claim;
        let Some(queue) = self.queues.get_mut(name) else {
            return Finished::ClaimLost;
        };
        if completion.disposition == Disposition::StaysDead {
            if !queue.dead.end(id) {
                return Finished::ClaimLost;
            }
            return self.carry_out(&completion.effects, now);
        }
        if queue.claimed.get(id) != Some(worker) {
            return Finished::ClaimLost;
        }
        queue.claimed.remove(id);
        queue.started.remove(id);
        let cancelled = queue.cancelled.remove(id);
        if completion.disposition == Disposition::Release && cancelled.is_none() {
            queue.push_head(id.clone());
            return Finished::Done;
        }
        let body = queue.bodies.remove(id);
        let note = queue.notes.remove(id);
        match (&completion.disposition, cancelled) {
            (Disposition::Release, Some(reason)) => queue.die(id, body.unwrap_or_default(), reason, now),
            (
                Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message),
                Some(reason),
            ) => {
                queue.die(id, message.encode(), reason, now);
            }
            (Disposition::Ack | Disposition::StaysDead, _) | (Disposition::Release, None) => {}
            (Disposition::Requeue(message), None) => self.put(message, None, None, now),
            (Disposition::Retry(due, message), None) => self.put(message, Some(*due), None, now),
            (Disposition::Defer(due, message), None) => self.put(message, Some(*due), note, now),
            (Disposition::DeadLetter(body, reason), _) => {
                let bytes = match body {
                    Body::Message(message) => message.encode(),
                    Body::Raw(bytes) => bytes.clone(),
                };
                queue.dead.add(id, bytes, reason.clone(), now, true);
            }
        }
        self.carry_out(&completion.effects, now)
    }

    fn carry_out(&mut self, effects: &[Effect], now: Timestamp) -> Finished {
        let mut finished = Finished::Done;
        for effect in effects {
            match effect {
                Effect::Enqueue(message) => self.enqueue(message, now),
                Effect::Store { key, value, ttl } => {
                    self.stored.keep(key, value.clone(), now + *ttl, now);
                }
                Effect::Count(count) => match self.count(count, now) {
                    Counted::Last => count.then.iter().for_each(|message| self.enqueue(message, now)),
                    Counted::Unknown => finished = Finished::Uncounted,
                    Counted::Known | Counted::LastAgain => {}
                },
            }
        }
        finished
    }
}
