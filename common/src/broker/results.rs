//! Reading what is kept of runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time;

use super::Broker;
use super::inspect::{DEPTH, explained};
use crate::actor::Actor;
use crate::clock::{Clock, Stopwatch};
use crate::error::{ResultError, StoreError};
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;
use crate::results::{self, Stored};
use crate::store::Inspect;

impl Broker {
    /// What is kept of a message's run; `None` while there is nothing, or no more.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn result(&self, message: &Message) -> Result<Option<Stored>, StoreError> {
        let (store, message) = (self.0.store.clone(), message.clone());
        self.on_io_thread(async move { stored(&*store, &results::key(&message), &message).await }).await?
    }

    /// The same, of the message to the actor `A` that has this id: for whoever kept no more than the id.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn result_of<A: Actor>(&self, id: &MessageId) -> Result<Option<Stored>, StoreError> {
        let queue = QueueName::canonical(A::DECLARATION.queue);
        let message = Message::new(queue, A::DECLARATION.name, [], self.clock().now());
        self.result(&Message { message_id: id.clone(), ..message }).await
    }

    /// Waits until something is kept of a message's run, for `timeout` at most. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ResultError::Timeout`] when nothing was there in time, else what the store says.
    pub async fn wait_for_result(&self, message: &Message, timeout: Duration) -> Result<Stored, ResultError> {
        self.0.io_thread.check().map_err(StoreError::from)?;
        let store = self.0.store.clone();
        self.0.io_thread.run_while_wanted(result_within(store, self.clock().clone(), message.clone(), timeout)).await
    }

    /// The same as [`Broker::wait_for_result`], from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::wait_for_result`].
    pub fn wait_for_result_blocking(&self, message: &Message, timeout: Duration) -> Result<Stored, ResultError> {
        self.0.io_thread.check().map_err(StoreError::from)?;
        let store = self.0.store.clone();
        self.0.io_thread.run_blocking(result_within(store, self.clock().clone(), message.clone(), timeout))
    }
}

/// Waits for a result.
async fn result_within(
    store: Arc<dyn Inspect>,
    clock: Clock,
    message: Message,
    timeout: Duration,
) -> Result<Stored, ResultError> {
    let (waited, key) = (Stopwatch::start(), results::key(&message));
    loop {
        if let Some(stored) = stored(&*store, &key, &message).await? {
            return Ok(stored);
        }
        let left = timeout.saturating_sub(waited.elapsed());
        if left.is_zero() {
            break;
        }
        // Told, or in time for a last look.
        let _ = time::timeout(left, store.wait_stored(&key)).await;
    }
    let place = explained(&*store, &clock, message.message_id.as_str(), DEPTH).await?;
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
    let read = |bytes: Vec<u8>| {
        Stored::decode(&bytes).ok_or_else(|| StoreError::Refused(format!("the result of {message} is no JSON")))
    };
    store.stored(key).await?.map(read).transpose()
}
