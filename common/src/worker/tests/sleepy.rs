//! A store whose worker can be made to sleep.

use tokio::sync::watch;

use super::at_once;
use crate::clock::Timestamp;
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Answer, Beat, Boxed, Cancelled, Claim, Counts, DeadLetter, Ending, Fetched, Inspect, Lease, QueueSight, Sighting,
    Store, Wake, Want, WorkerSight,
};
use crate::stores::memory::MemoryStore;

/// A store whose beats can be held up, as if their worker slept.
#[derive(Clone, Debug)]
pub(super) struct Sleepy {
    pub(super) store: MemoryStore,
    pub(super) asleep: watch::Sender<bool>,
    /// How many fetches came as a stranger's.
    pub(super) strangers: watch::Sender<usize>,
}

impl Store for Sleepy {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        self.store.enqueue(messages)
    }

    fn join<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Lease, StoreError>> {
        self.store.join(queues)
    }

    fn fetch<'a>(
        &'a self,
        lease: &'a Lease,
        wants: &'a [Want],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        let fetched = at_once(self.store.fetch(lease, wants, limit));
        if fetched == Err(StoreError::Stranger) {
            self.strangers.send_modify(|strangers| *strangers += 1);
        }
        Box::pin(std::future::ready(fetched))
    }

    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake> {
        self.store.wait(queues, due)
    }

    fn finish<'a>(&'a self, lease: &'a Lease, endings: &'a [Ending]) -> Boxed<'a, Result<Vec<Answer>, StoreError>> {
        self.store.finish(lease, endings)
    }

    fn beat<'a>(&'a self, lease: &'a Lease, held: &'a [Claim]) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(async move {
            let _ = self.asleep.subscribe().wait_for(|asleep| !asleep).await;
            self.store.beat(lease, held).await
        })
    }

    fn leave<'a>(&'a self, lease: &'a Lease) -> Boxed<'a, Result<(), StoreError>> {
        self.store.leave(lease)
    }
}

impl Inspect for Sleepy {
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueSight>, StoreError>> {
        self.store.queues(after, limit)
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        self.store.counts(queue)
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerSight>, StoreError>> {
        self.store.workers(after, limit)
    }

    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<Sighting>, StoreError>> {
        self.store.find(id, depth)
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        skip: usize,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<DeadLetter>, StoreError>> {
        self.store.dead_letters(queue, skip, limit)
    }

    fn revive<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        self.store.revive(queue, letters)
    }

    fn delete<'a>(&'a self, queue: &'a QueueName, names: &'a [String]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        self.store.delete(queue, names)
    }

    fn cancel<'a>(
        &'a self,
        queue: &'a QueueName,
        name: &'a str,
        reason: &'a str,
    ) -> Boxed<'a, Result<Option<Cancelled>, StoreError>> {
        self.store.cancel(queue, name, reason)
    }

    fn pause<'a>(&'a self, queue: &'a QueueName, paused: bool) -> Boxed<'a, Result<bool, StoreError>> {
        self.store.pause(queue, paused)
    }

    fn purge<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<usize, StoreError>> {
        self.store.purge(queue)
    }

    fn stored<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.store.stored(key)
    }

    fn address(&self) -> String {
        self.store.address()
    }
}
