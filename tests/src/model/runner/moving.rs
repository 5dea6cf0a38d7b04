//! What people move by hand.

use super::{DEEP, Found, Kind, Operation, Runner, Wrong, refused};
use crate::model::places::differ;
use common::message::{Message, option};

impl Runner {
    /// Cancels a message, which has to be found first.
    pub(super) async fn cancel(&mut self, operation: Operation) -> Result<(), Wrong> {
        let wanted = operation.pick(0, self.places.items.len());
        let id = self.places.items[wanted].message.message_id.clone();
        let seen = self.store.find(id.as_str(), self.places.tolerances.depth).await.map_err(refused)?;
        let found = self.places.found(id.as_str(), &seen)?;
        let Some(nth) = found.iter().position(|found| *found == Found::Item(wanted)) else {
            return Err(Wrong(format!("{} should have been found under {id}", self.places.items[wanted].message)));
        };
        let reason = "cancelled by worker";
        let told = self.store.cancel(&seen[nth].queue, &seen[nth].name, reason).await.map_err(refused)?;
        self.tell(|| format!("cancel {id}: {told:?}"));
        let was = self.places.cancel(wanted, reason);
        differ("where it was", &Some(was.clone()), &told)?;
        // Once more: it is dead, or its worker is told once more.
        let again = self.store.cancel(&seen[nth].queue, &seen[nth].name, reason).await.map_err(refused)?;
        let is_claimed = matches!(was, common::store::Cancelled::Claimed { .. });
        differ("where it was, once more", &is_claimed.then_some(was), &again)
    }

    pub(super) async fn pause(&mut self, operation: Operation) -> Result<(), Wrong> {
        let paused = operation.kind == Kind::Pause;
        let fit: Vec<_> =
            self.queues.iter().filter(|queue| self.places.paused.contains(*queue) != paused).cloned().collect();
        let queue = fit[operation.pick(0, fit.len())].clone();
        for _ in 0..2 {
            let told = self.store.pause(&queue, paused).await.map_err(refused)?;
            differ("whether that is new", &self.places.pause(&queue, paused), &told)?;
        }
        self.tell(|| format!("{} {queue}", operation.kind));
        Ok(())
    }

    pub(super) async fn purge(&mut self, operation: Operation) -> Result<(), Wrong> {
        let queue = self.queues[operation.pick(0, self.queues.len())].clone();
        let told = self.store.purge(&queue).await.map_err(refused)?;
        self.tell(|| format!("purge {queue}: {told}"));
        differ("how many were purged", &self.places.purge(&queue), &told)
    }

    /// Requeues or deletes a dead letter.
    pub(super) async fn touch_letter(&mut self, operation: Operation) -> Result<(), Wrong> {
        let queue = self.places.letters[operation.pick(0, self.places.letters.len())].queue.clone();
        let letters = self.store.dead_letters(&queue, 0, DEEP).await.map_err(refused)?;
        let found = self.places.read(&queue, &letters)?;
        if found.is_empty() {
            return Ok(());
        }
        let nth = operation.pick(1, found.len());
        let name = letters[nth].id.clone();
        let told = if operation.kind == Kind::Delete {
            let told = self.store.delete(&queue, &[name, "nothing".to_owned()]).await.map_err(refused)?;
            self.places.deleted(found[nth], told.first() == Some(&true))?;
            told
        } else {
            let message = match Message::decode(&letters[nth].bytes, self.places.now) {
                Ok(mut message) => {
                    message.options.remove(option::RETRIES);
                    message.options.remove(option::REDIS_MESSAGE_ID);
                    message
                }
                Err(_) => self.message(usize::from(queue != self.queues[0])),
            };
            self.sent.push(message.clone());
            let missing = ("nothing".to_owned(), message.clone());
            let told = self.store.requeue_dead(&queue, &[(name, message.clone()), missing]).await.map_err(refused)?;
            self.places.requeued(found[nth], &message, told.first() == Some(&true))?;
            told
        };
        self.tell(|| format!("{} in {queue}: {told:?}", operation.kind));
        differ("what was not there", &Some(&false), &told.get(1))
    }
}
