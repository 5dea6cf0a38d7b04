//! A store with one weakness.

use super::weakness::{CHUNK, ONCE_IN, Weakness};
use common::{
    clock::{Clock, Timestamp},
    error::{EnqueueError, StoreError},
    message::Message,
    queue_name::QueueName,
    store::{
        Beat, Boxed, Cancelled, Claim, Completion, Counts, DeadLetter, Disposition, FetchRequest, Fetched, Finished,
        Inspect, MessageInfo, QueueInfo, Registration, State, Store, Wake, WorkerInfo,
    },
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

pub(crate) struct Broken {
    store: Arc<dyn Inspect>,
    clock: Clock,
    weakness: Option<Weakness>,
    memory: Mutex<Memory>,
}

/// What a broken store has to remember.
#[derive(Debug, Default)]
struct Memory {
    /// How often something could have failed.
    chances: u64,
    /// Delayed messages, as they were sent.
    delayed: Vec<Message>,
    /// Claims that their workers do not know of.
    forgotten: Vec<Claim>,
}

impl Broken {
    pub(crate) fn new(store: Arc<dyn Inspect>, clock: Clock, weakness: Option<Weakness>) -> Self {
        Self { store, clock, weakness, memory: Mutex::default() }
    }

    fn is(&self, weakness: Weakness) -> bool {
        self.weakness == Some(weakness)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    /// Whether it fails this time.
    fn fails(&self) -> bool {
        let mut memory = self.memory();
        memory.chances += 1;
        memory.chances.is_multiple_of(ONCE_IN)
    }

    /// The latest time at which a delayed message of a queue is due that was sent before.
    fn latest(&self, queue: &QueueName) -> Option<Timestamp> {
        let now = self.clock.now();
        let memory = self.memory();
        memory
            .delayed
            .iter()
            .filter(|message| message.queue_name == *queue)
            .filter_map(|message| message.eta(now))
            .max()
    }

    async fn enqueue_in_line(&self, messages: &[Message]) -> Result<(), EnqueueError> {
        for message in messages {
            let mut message = message.clone();
            let now = self.clock.now();
            if message.eta(now).is_some_and(|due| due > now) {
                if self.is(Weakness::DelaysInLine) {
                    message.set_eta(message.eta(now).max(self.latest(&message.queue_name)));
                }
                self.memory().delayed.push(message.clone());
            }
            self.store.enqueue(&[message]).await?;
        }
        Ok(())
    }

    async fn finish_in_steps(
        &self,
        registration: &Registration,
        completions: &[Completion],
    ) -> Result<Vec<Finished>, StoreError> {
        let mut completions = completions.to_vec();
        for completion in &mut completions {
            let Disposition::Retry(due, retry) = &completion.disposition else { continue };
            if self.is(Weakness::LostRetry) && self.fails() {
                completion.disposition = Disposition::Ack;
            } else if self.is(Weakness::CopiedRetry) && self.fails() {
                let mut copy = retry.clone();
                copy.set_eta(Some(*due));
                self.store.enqueue(&[copy]).await.map_err(|error| StoreError::Refused(error.to_string()))?;
                return Err(crash());
            }
        }
        if self.is(Weakness::HeadsInChunks) {
            let mut answers = Vec::new();
            for chunk in completions.chunks(CHUNK) {
                answers.extend(self.store.finish(registration, chunk).await?);
            }
            return Ok(answers);
        }
        self.store.finish(registration, &completions).await
    }

    async fn fetch_or_fail(
        &self,
        registration: &Registration,
        requests: &[FetchRequest],
        limit: usize,
    ) -> Result<Fetched, StoreError> {
        let fetched = self.store.fetch(registration, requests, limit).await?;
        if self.is(Weakness::ForgottenBatch) && fetched.deliveries.iter().any(|delivery| delivery.body.is_err()) {
            self.memory().forgotten.extend(fetched.deliveries.into_iter().map(|delivery| delivery.claim));
            return Err(StoreError::Refused("not a message".to_owned()));
        }
        Ok(fetched)
    }

    async fn beat_in_steps(
        &self,
        registration: &Registration,
        held: &[Claim],
        waiting: &[Claim],
    ) -> Result<Beat, StoreError> {
        if self.is(Weakness::CopiedPromotion) {
            let delayed = self.memory().delayed.clone();
            for message in delayed.into_iter().filter(|message| registration.queues.contains(&message.queue_name)) {
                let found = self.store.find(message.message_id.as_str(), 0).await?;
                let now = self.clock.now();
                let is_due = |seen: &MessageInfo| matches!(seen.state, State::Delayed { due } if due <= now);
                if found.iter().any(is_due) && self.fails() {
                    self.store
                        .enqueue(&[without_eta(message)])
                        .await
                        .map_err(|error| StoreError::Refused(error.to_string()))?;
                    return Err(crash());
                }
            }
        }
        let forgotten = self.memory().forgotten.clone();
        let held: Vec<Claim> = held.iter().cloned().chain(forgotten.clone()).collect();
        let mut beat = self.store.beat(registration, &held, waiting).await?;
        beat.lost.retain(|claim| !forgotten.contains(claim));
        Ok(beat)
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken").field("weakness", &self.weakness).finish_non_exhaustive()
    }
}

fn crash() -> StoreError {
    StoreError::Unreachable("the process died between two commands".to_owned())
}

fn without_eta(mut message: Message) -> Message {
    message.set_eta(None);
    message
}

impl Store for Broken {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        Box::pin(self.enqueue_in_line(messages))
    }

    fn register<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Registration, StoreError>> {
        self.store.register(queues)
    }

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        Box::pin(self.fetch_or_fail(registration, requests, limit))
    }

    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake> {
        self.store.wait(queues, due)
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        Box::pin(self.finish_in_steps(registration, completions))
    }

    fn start<'a>(
        &'a self,
        registration: &'a Registration,
        claims: &'a [Claim],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        self.store.start(registration, claims)
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(self.beat_in_steps(registration, held, waiting))
    }

    fn deregister<'a>(&'a self, registration: &'a Registration) -> Boxed<'a, Result<(), StoreError>> {
        self.store.deregister(registration)
    }
}

impl Inspect for Broken {
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueInfo>, StoreError>> {
        self.store.queues(after, limit)
    }

    fn queue<'a>(&'a self, name: &'a QueueName) -> Boxed<'a, Result<Option<QueueInfo>, StoreError>> {
        self.store.queue(name)
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        self.store.counts(queue)
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerInfo>, StoreError>> {
        self.store.workers(after, limit)
    }

    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<MessageInfo>, StoreError>> {
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

    fn requeue_dead<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        self.store.requeue_dead(queue, letters)
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
