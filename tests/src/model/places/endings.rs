//! How claims end.

use super::{Item, Letter, Move, Note, Place, Places, Wrong, differ};
use common::{
    clock::Timestamp,
    message::Message,
    store::{Answer, Body, Effect, Ending, Place as Goes},
};

impl Places {
    /// Ends claims, each as a whole, and only if the worker holds the message.
    ///
    /// # Errors
    ///
    /// What should have been answered.
    pub fn finished(&mut self, worker: usize, endings: &[Ending], told: &[Answer]) -> Result<(), Wrong> {
        differ("the number of answers", &endings.len(), &told.len())?;
        // Of several endings in one call, those that go to the head lie there in their order, so the last one goes first. The
        // contract orders nothing else, so all that they put at the end may lie there in any order.
        let together = (endings.len() > 1).then(|| self.next_tail());
        let is_head = |ending: &Ending| ending.place == Goes::Head;
        let (heads, others): (Vec<_>, Vec<_>) = endings.iter().zip(told).partition(|(ending, _)| is_head(ending));
        for (ending, told) in others.into_iter().chain(heads.into_iter().rev()) {
            let answer = self.finish(worker, ending, together);
            differ(&format!("the answer to {:?}", ending.claim), &answer, told)?;
        }
        Ok(())
    }

    fn finish(&mut self, worker: usize, ending: &Ending, together: Option<i64>) -> Answer {
        let Some(at) = self.held_as(worker, ending) else { return Answer::Unknown };
        let item = self.items.swap_remove(at);
        let (was, Item { queue, message, raw, name, note, cancelled, .. }) = (item.body(), item);
        let may_run_again = matches!(ending.place, Goes::Head | Goes::Ready(_) | Goes::Until(..) | Goes::Later(..));
        self.happened(Move::Stopped, usize::from(may_run_again && cancelled.is_some()));
        match (&ending.place, cancelled) {
            (Goes::Gone, _) => {}
            (Goes::Dead(body, reason), _) => {
                let is_same = |letter: &Letter| letter.queue == queue && letter.name == name && letter.body == *body;
                if !self.freedom.keeps_the_same_letter_once || !self.letters.iter().any(is_same) {
                    self.die(&queue, name, body.clone(), reason.clone());
                }
            }
            // However the run of a cancelled message ends, it is not run again.
            (Goes::Head, Some(reason)) => self.die(&queue, name, was, reason),
            (Goes::Ready(message) | Goes::Until(_, message) | Goes::Later(_, message), Some(reason)) => {
                self.die(&queue, name, Body::Message(message.clone()), reason);
            }
            (Goes::Head, None) => {
                // It was not run, so it is what it was, and goes before all others.
                let rank = self.next_head();
                let place = self.ready_at_head(&queue, &message, rank);
                self.items.push(Item { raw, note, ..Item::new(queue, message, name, place) });
            }
            (Goes::Ready(message), None) => self.move_on(message, None, together),
            (Goes::Until(due, message), None) => self.move_on(message, Some(*due), together),
            (Goes::Later(due, message), None) => {
                self.move_on(message, Some(*due), together);
                if let Some(item) = self.items.last_mut() {
                    item.note = note;
                }
                self.happened(Move::Kept, usize::from(note != Note::None));
            }
        }
        for effect in &ending.also {
            match effect {
                Effect::Enqueue(message) => {
                    let rank = together.unwrap_or_else(|| self.next_tail());
                    self.enqueue_at(message, rank);
                }
                Effect::Store { key, value, ttl } => {
                    self.stored.insert(key.clone(), (value.clone(), self.now + *ttl));
                }
            }
        }
        Answer::Finished
    }

    /// The message of a claim that this worker holds, by index.
    fn held_as(&self, worker: usize, ending: &Ending) -> Option<usize> {
        self.items.iter().position(|item| {
            item.queue == ending.claim.queue
                && item.name.as_ref() == Some(&ending.claim.id)
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
