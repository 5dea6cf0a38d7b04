//! A pipeline that was sent.

use std::fmt;
use std::time::Duration;

use crate::actor::{Actor, Gives, Untyped};
use crate::broker::{Broker, DEPTH};
use crate::call::Sent;
use crate::clock::Stopwatch;
use crate::error::{ResultError, StoreError};
use crate::message::Message;
use crate::results::{Readable, Stored};

/// A pipeline that was sent, and where. `A` is the actor of its last step.
pub struct SentPipeline<A = Untyped> {
    broker: Broker,
    steps: Vec<Message>,
    last: Sent<A>,
}

impl<A> SentPipeline<A> {
    pub(super) fn new(broker: &Broker, first: Message, others: &[Message]) -> Self {
        let last = Sent::new(broker, others.last().unwrap_or(&first).clone());
        let steps = std::iter::once(first).chain(others.iter().cloned()).collect();
        Self { broker: broker.clone(), steps, last }
    }

    /// The messages of its steps. The first one is stored, and each other one once the one before it has ended.
    #[must_use]
    pub fn steps(&self) -> &[Message] {
        &self.steps
    }

    /// How many of its steps, from the first one on, have kept a result.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn completed(&self) -> Result<usize, StoreError> {
        for (completed, step) in self.steps.iter().enumerate() {
            if self.broker.result(step).await?.is_none() {
                return Ok(completed);
            }
        }
        Ok(self.steps.len())
    }

    /// Waits until all steps have kept what they came to, for `timeout` at most, and gives it in their order, up to one that has
    /// failed: nothing comes after that. All of their actors have to keep results.
    ///
    /// # Errors
    ///
    /// [`ResultError::Timeout`], which tells of the step that the pipeline has come to, or what the store says.
    pub async fn results(&self, timeout: Duration) -> Result<Vec<Stored>, ResultError> {
        let (waited, mut results) = (Stopwatch::start(), Vec::with_capacity(self.steps.len()));
        for step in &self.steps {
            let stored = self.broker.wait_for_result(step, timeout.saturating_sub(waited.elapsed())).await?;
            let has_failed = matches!(stored, Stored::Failed { .. });
            results.push(stored);
            if has_failed {
                break;
            }
        }
        Ok(results)
    }
}

impl<A: Actor> SentPipeline<A> {
    /// Waits until what its last step returned is kept, for `timeout` at most, and reads it. Of a `Result`, it is the value.
    ///
    /// # Errors
    ///
    /// As [`Sent::result`]. A [`ResultError::Timeout`] tells of the step that the pipeline has come to.
    pub async fn result<T>(&self, timeout: Duration) -> Result<T, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        match self.last.result(timeout).await {
            Err(ResultError::Timeout { message, timeout, explanation: None }) => {
                let explanation = self.explanation().await?;
                Err(ResultError::Timeout { message, timeout, explanation })
            }
            result => result,
        }
    }

    /// The same, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// As [`Sent::result_blocking`].
    pub fn result_blocking<T>(&self, timeout: Duration) -> Result<T, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.last.result_blocking(timeout)
    }

    /// Where the pipeline has come to, and why it is there; its last step is nowhere.
    async fn explanation(&self) -> Result<Option<String>, StoreError> {
        for step in self.steps.split_last().map_or(&[][..], |(_, earlier)| earlier) {
            if let Some(found) = self.broker.explain(step.message_id.as_str(), DEPTH).await?.first() {
                return Ok(Some(format!("its step {step}: {}", found.explanation)));
            }
        }
        Ok(None)
    }
}

impl<A> fmt::Debug for SentPipeline<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}
