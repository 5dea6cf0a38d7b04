//! A message that was sent.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::actor::{Actor, Declaration, Entry, Gives, Untyped};
use crate::broker::{Broker, Status};
use crate::clock::Stopwatch;
use crate::error::{ResultError, StoreError};
use crate::message::{Message, Raw, option};
use crate::results::Readable;

/// A message to the actor `A` that was sent, and where: for whoever wants what that returns.
///
/// ```
/// use std::time::Duration;
///
/// use common::actor;
/// # use common::broker::Broker;
///
/// #[actor(store_results = true)]
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// # async fn example(broker: &Broker) -> Result<(), Box<dyn std::error::Error>> {
/// let sum: u32 = add::send(broker, 1, 2).await?.result(Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
///
/// It is the [`Message`] as it was stored, wherever one is wanted. Its broker stays connected as long as this lives.
pub struct Sent<A = Untyped> {
    message: Message,
    broker: Broker,
    actor: PhantomData<fn() -> A>,
}

impl<A> Sent<A> {
    /// A message that was sent before, by this program or another one.
    #[must_use]
    pub fn new(broker: &Broker, message: Message) -> Self {
        Self { message, broker: broker.clone(), actor: PhantomData }
    }

    /// What has become of it ([`Broker::status`]).
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn status(&self) -> Result<Status, StoreError> {
        self.broker.status(&self.message).await
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn status_blocking(&self) -> Result<Status, StoreError> {
        self.broker.status_blocking(&self.message)
    }

    /// The message by itself.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }
}

impl<A: Actor> Sent<A> {
    /// Waits until what its actor returned is kept, for `timeout` at most, and reads it. Of a `Result`, it is the value. Cancel
    /// safe.
    ///
    /// # Errors
    ///
    /// [`ResultError::NotKept`] at once, where neither the message nor its actor nor this broker says that results are kept;
    /// [`ResultError::Timeout`], [`ResultError::Failed`] when the actor did so for good, [`ResultError::Unreadable`] when it
    /// returned something else than is read, or what the store says.
    pub async fn result<T>(&self, timeout: Duration) -> Result<T, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.check_kept()?;
        self.broker.wait_for_result(&self.message, timeout).await?.read()
    }

    /// The same, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// As [`Sent::result`].
    pub fn result_blocking<T>(&self, timeout: Duration) -> Result<T, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.check_kept()?;
        self.broker.wait_for_result_blocking(&self.message, timeout)?.read()
    }

    /// The results of many, in their order, within one `timeout` for all.
    ///
    /// # Errors
    ///
    /// As [`Sent::result`]: the first one of them that has no value.
    pub async fn results<T>(sent: &[Self], timeout: Duration) -> Result<Vec<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        let (waited, mut results) = (Stopwatch::start(), Vec::with_capacity(sent.len()));
        for sent in sent {
            results.push(sent.result(timeout.saturating_sub(waited.elapsed())).await?);
        }
        Ok(results)
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Sent::results`].
    pub fn results_blocking<T>(sent: &[Self], timeout: Duration) -> Result<Vec<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        let (waited, mut results) = (Stopwatch::start(), Vec::with_capacity(sent.len()));
        for sent in sent {
            results.push(sent.result_blocking(timeout.saturating_sub(waited.elapsed()))?);
        }
        Ok(results)
    }

    pub(crate) fn check_kept(&self) -> Result<(), ResultError> {
        let Declaration { name, results, entry, .. } = A::DECLARATION;
        let own = self.message.options.get(option::STORE_RESULTS).map(Raw::is_truthy);
        // What an actor that runs elsewhere says of itself is not known here.
        let of_others = || matches!(entry, Entry::Remote) || self.broker.settings().results.store_results;
        if own.or(results.store_results).unwrap_or_else(of_others) {
            Ok(())
        } else {
            Err(ResultError::NotKept((*name).to_owned()))
        }
    }
}

impl<A> Deref for Sent<A> {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl<A> Clone for Sent<A> {
    fn clone(&self) -> Self {
        Self { message: self.message.clone(), broker: self.broker.clone(), actor: PhantomData }
    }
}

impl<A> PartialEq for Sent<A> {
    /// Whether they are the same message.
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
    }
}

impl<A> fmt::Debug for Sent<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl<A> fmt::Display for Sent<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}
