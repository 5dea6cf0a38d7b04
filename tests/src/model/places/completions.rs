//! How claims end.

use super::{Item, Letter, Move, Note, Place, Places, Wrong, differ};
use common::{
    clock::Timestamp,
    message::Message,
    store::{Body, Completion, Disposition, Effect, Finished},
};

impl Places {
    /// Ends claims, each as a whole, and only if the worker holds the message.
    ///
    /// # Errors
    ///
    /// What should have been answered.
    pub fn finished(&mut self, worker: usize, completions: &[Completion], told: &[Finished]) -> Result<(), Wrong> {
        differ("the number of answers", &completions.len(), &told.len())?;
        // Of several completions in one call, those that go to the head lie there in their order, so the last one goes first. The
        // contract orders nothing else, so all that they put at the end may lie there in any order.
        let together = (completions.len() > 1).then(|| self.next_tail());
        let is_head = |completion: &Completion| completion.disposition == Disposition::Release;
        let (heads, others): (Vec<_>, Vec<_>) =
            completions.iter().zip(told).partition(|(completion, _)| is_head(completion));
        for (completion, told) in others.into_iter().chain(heads.into_iter().rev()) {
            let answer = self.finish(worker, completion, together);
            differ(&format!("the answer to {:?}", completion.claim), &answer, told)?;
        }
        Ok(())
    }

    fn finish(&mut self, worker: usize, completion: &Completion, together: Option<i64>) -> Finished {
        let Some(at) = self.held_as(worker, completion) else { return Finished::ClaimLost };
        let item = self.items.swap_remove(at);
        let (was, Item { queue, message, raw, name, note, cancelled, .. }) = (item.body(), item);
        let may_run_again = matches!(
            completion.disposition,
            Disposition::Release | Disposition::Requeue(_) | Disposition::Retry(..) | Disposition::Defer(..)
        );
        self.happened(Move::Stopped, usize::from(may_run_again && cancelled.is_some()));
        match (&completion.disposition, cancelled) {
            (Disposition::Ack | Disposition::StaysDead, _) => {}
            (Disposition::DeadLetter(body, reason), _) => {
                let is_same = |letter: &Letter| letter.queue == queue && letter.name == name && letter.body == *body;
                if !self.tolerances.keeps_the_same_letter_once || !self.letters.iter().any(is_same) {
                    self.dead_letter(&queue, name, body.clone(), reason.clone(), false);
                }
            }
            // However the run of a cancelled message ends, it is not run again.
            (Disposition::Release, Some(reason)) => self.die(&queue, name, was, reason),
            (
                Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message),
                Some(reason),
            ) => {
                self.die(&queue, name, Body::Message(message.clone()), reason);
            }
            (Disposition::Release, None) => {
                // It was not run, so it is what it was, and goes before all others.
                let rank = self.next_head();
                let place = self.ready_at_head(&queue, &message, rank);
                self.items.push(Item { raw, note, ..Item::new(queue, message, name, place) });
            }
            (Disposition::Requeue(message), None) => self.move_on(message, None, together),
            (Disposition::Retry(due, message), None) => self.move_on(message, Some(*due), together),
            (Disposition::Defer(due, message), None) => {
                self.move_on(message, Some(*due), together);
                if let Some(item) = self.items.last_mut() {
                    item.note = note;
                }
                self.happened(Move::Kept, usize::from(note != Note::None));
            }
        }
        self.carry_out(&completion.effects, together);
        Finished::Done
    }

    pub(super) fn carry_out(&mut self, effects: &[Effect], together: Option<i64>) {
        for effect in effects {
            match effect {
                Effect::Enqueue(message) => {
                    let rank = together.unwrap_or_else(|| self.next_tail());
                    self.enqueue_at(message, rank);
                }
                Effect::Store { key, value, ttl } => {
                    self.stored.insert(key.clone(), (value.clone(), self.now + *ttl));
                }
                Effect::Count(count) => self.count(count, together),
            }
        }
    }

    /// The message of a claim that this worker holds, by index.
    fn held_as(&self, worker: usize, completion: &Completion) -> Option<usize> {
        self.items.iter().position(|item| {
            item.queue == completion.claim.queue
                && item.name.as_ref() == Some(&completion.claim.id)
                && item.place == Place::Claimed { by: worker }
        })
    }

    /// A new body under a fresh name, due when it is said to be, whatever it said before.
    pub(super) fn move_on(&mut self, message: &Message, due: Option<Timestamp>, together: Option<i64>) {
        let mut message = message.clone();
        let due = due.filter(|due| *due > self.now);
        message.set_eta(due);
        let rank = together.unwrap_or_else(|| self.next_tail());
        self.put(message, None, due, rank);
    }
}
