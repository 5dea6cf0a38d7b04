//! Reading what is kept of runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use super::Broker;
use super::inspect::{DEPTH, explained};
use crate::actor::{Actor, waits};
use crate::clock::{Clock, Stopwatch};
use crate::error::{ResultError, StoreError};
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;
use crate::results::Stored;
use crate::store::Inspect;

impl Broker {
    /// What is kept of a message's run; `None` while there is nothing, or no more.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn result(&self, message: &Message) -> Result<Option<Stored>, StoreError> {
        let (store, key, message) = (self.0.store.clone(), self.result_key(message), message.clone());
        self.on_io_thread(async move { stored(&*store, &key, &message).await }).await?
    }

    /// What is kept of each of these messages' runs, in their order.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn results(&self, messages: &[Message]) -> Result<Vec<Option<Stored>>, StoreError> {
        let (store, keys, messages) = (self.0.store.clone(), self.keys_of(messages), messages.to_vec());
        self.on_io_thread(stored_all(store, keys, messages)).await?
    }

    /// The same, of the message to the actor `A` that has this id: for whoever kept no more than the id.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn result_of<A: Actor>(&self, id: &MessageId) -> Result<Option<Stored>, StoreError> {
        self.result(&self.message_of::<A>(id)).await
    }

    /// As much of the message to `A` that has this id as it takes to find it.
    pub(super) fn message_of<A: Actor>(&self, id: &MessageId) -> Message {
        let queue = QueueName::canonical(A::DECLARATION.queue);
        let message = Message::new(queue, A::DECLARATION.name, [], self.clock().now());
        Message { message_id: id.clone(), ..message }
    }

    /// Waits until something is kept of a message's run, for `timeout` at most. Cancel safe.
    ///
    /// An actor that waits so keeps its slot. Meanwhile its worker holds back nothing that could be what it waits for
    /// ([`Worker::prefetch`](crate::worker::Worker::prefetch)); but a slot has to be free, in some worker. Where all slots wait for each
    /// other, only the timeouts end that, and tell where the messages are: what comes after others is better sent by a
    /// [pipeline or a group](crate::composition), which keep no slot.
    ///
    /// # Errors
    ///
    /// [`ResultError::Timeout`] when nothing was there in time, else what the store says.
    pub async fn wait_for_result(&self, message: &Message, timeout: Duration) -> Result<Stored, ResultError> {
        self.0.io_thread.check().map_err(StoreError::from)?;
        self.0.io_thread.run_while_wanted(self.result_within(message, timeout)).await
    }

    /// The same as [`Broker::wait_for_result`], from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::wait_for_result`].
    pub fn wait_for_result_blocking(&self, message: &Message, timeout: Duration) -> Result<Stored, ResultError> {
        self.0.io_thread.check().map_err(StoreError::from)?;
        self.0.io_thread.run_blocking(self.result_within(message, timeout))
    }

    /// Forgets what is kept of these messages' runs, before its time is over: a thousand at a time. Tells of how many something was
    /// kept. A run that ends meanwhile keeps its result all the same.
    ///
    /// # Errors
    ///
    /// What the store says; some of them may be forgotten then, and to repeat the call is safe.
    pub async fn forget_results(&self, messages: &[Message]) -> Result<usize, StoreError> {
        let (store, keys) = (self.0.store.clone(), self.keys_of(messages));
        self.on_io_thread(forget(store, keys)).await?
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::forget_results`].
    pub fn forget_results_blocking(&self, messages: &[Message]) -> Result<usize, StoreError> {
        self.0.io_thread.check()?;
        self.0.io_thread.run_blocking(forget(self.0.store.clone(), self.keys_of(messages)))
    }

    /// Under which key a message's result lies ([`Results::keys`](crate::middleware::Results::keys)).
    #[must_use]
    pub fn result_key(&self, message: &Message) -> String {
        self.settings().results.keys.of(message)
    }

    /// Waits for a result. Whoever waits does not keep the broker.
    fn result_within(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> impl Future<Output = Result<Stored, ResultError>> + Send + use<> {
        let (store, clock, namespace) = (self.0.store.clone(), self.clock().clone(), self.namespace().to_owned());
        result_within(store, clock, namespace, self.result_key(message), message.clone(), timeout)
    }

    fn keys_of(&self, messages: &[Message]) -> Vec<String> {
        messages.iter().map(|message| self.result_key(message)).collect()
    }
}

/// How many results are forgotten with one call.
const CHUNK: usize = 1_000;

/// How many are read with one: each of them may be large.
const PAGE: usize = 200;

async fn stored_all(
    store: Arc<dyn Inspect>,
    keys: Vec<String>,
    messages: Vec<Message>,
) -> Result<Vec<Option<Stored>>, StoreError> {
    let mut all = Vec::with_capacity(keys.len());
    for (keys, messages) in keys.chunks(PAGE).zip(messages.chunks(PAGE)) {
        let found = store.stored_all(keys).await?;
        for (bytes, message) in found.into_iter().zip(messages) {
            all.push(bytes.map(|bytes| decoded(&bytes, message)).transpose()?);
        }
    }
    Ok(all)
}

pub(super) fn decoded(bytes: &[u8], message: &Message) -> Result<Stored, StoreError> {
    Stored::decode(bytes).ok_or_else(|| StoreError::Refused(format!("the result of {message} is no JSON")))
}

async fn forget(store: Arc<dyn Inspect>, keys: Vec<String>) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    for keys in keys.chunks(CHUNK) {
        forgotten += store.forget(keys).await?;
    }
    Ok(forgotten)
}

/// Waits for a result.
async fn result_within(
    store: Arc<dyn Inspect>,
    clock: Clock,
    namespace: String,
    key: String,
    message: Message,
    timeout: Duration,
) -> Result<Stored, ResultError> {
    let waited = Stopwatch::start();
    loop {
        if let Some(stored) = stored(&*store, &key, &message).await? {
            return Ok(stored);
        }
        let left = timeout.saturating_sub(waited.elapsed());
        if left.is_zero() {
            break;
        }
        // Told, or in time for a last look.
        let _ = time::timeout(left, waits::waiting(store.wait_stored(&key))).await;
    }
    let place = explained(&*store, &clock, &namespace, message.message_id.as_str(), DEPTH).await?;
    // It may have ended since.
    if place.is_empty()
        && let Some(stored) = stored(&*store, &key, &message).await?
    {
        return Ok(stored);
    }
    let explanation = place.first().map(|place| place.explanation.to_string());
    Err(ResultError::Timeout { message: message.to_string(), timeout, explanation })
}

/// What is kept of a message's run, under the key of its result.
async fn stored(store: &dyn Inspect, key: &str, message: &Message) -> Result<Option<Stored>, StoreError> {
    store.stored(key).await?.map(|bytes| decoded(&bytes, message)).transpose()
}
