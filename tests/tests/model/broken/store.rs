//! A store with one weakness.

use super::weakness::{CHUNK, ONCE_IN, Weakness};
use common::{
    clock::{Clock, Timestamp},
    error::{EnqueueError, StoreError},
    message::Message,
    queue_name::QueueName,
    store::{
        Beat, Boxed, Claim, Completion, Disposition, FetchRequest, Fetched, Finished, Inspect, MessageInfo,
        Registration, State, Store, delegate,
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
    delegate!(Store to self.store, except [enqueue, fetch, finish, beat]);

    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        Box::pin(self.enqueue_in_line(messages))
    }

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        Box::pin(self.fetch_or_fail(registration, requests, limit))
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        Box::pin(self.finish_in_steps(registration, completions))
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(self.beat_in_steps(registration, held, waiting))
    }
}

impl Inspect for Broken {
    delegate!(Inspect to self.store);
}
