//! What has become of a message.

use std::sync::Arc;

use super::inspect::DEPTH;
use super::results::decoded;
use super::{Broker, long_runs};
use crate::actor::{Actor, Gives};
use crate::clock::Timestamp;
use crate::error::{ResultError, StoreError};
use crate::message::{Message, MessageId, Raw};
use crate::middleware::marks;
use crate::results::{Readable, Stored};
use crate::store::{Claim, Inspect, MessageInfo, State};

/// What has become of a message that was sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Status<V = Raw> {
    /// It is ready in its queue.
    Queued {
        /// How many go before it; `None` for more than [`AHEAD_LIMIT`](crate::store::AHEAD_LIMIT).
        ahead: Option<usize>,
    },
    /// It waits until this time: since it was delayed, or will be retried.
    Scheduled(Timestamp),
    /// A worker has it, and runs it or is about to.
    Running {
        /// The worker's id.
        worker: String,
        /// Since when it runs, where its worker has told: workers of this library do of each run that has outlasted a beat of about a second.
        since: Option<Timestamp>,
    },
    /// It is done, and this is what it returned; `None` where no more is known than that
    /// ([`Call::remember_done`](crate::call::Call::remember_done)).
    Done(Option<V>),
    /// It has failed for good, or died without a run, for this reason, where one is known.
    Failed(Option<String>),
    /// It is nowhere, and nothing is kept of it: it is done and keeps nothing, that was too long ago, or there never was such a
    /// message.
    Unknown,
}

impl Status {
    /// The same, with its value read as a `T`.
    ///
    /// # Errors
    ///
    /// [`ResultError::Unreadable`] when it is no `T`.
    pub fn read<T: Readable>(self) -> Result<Status<T>, ResultError> {
        Ok(match self {
            Self::Queued { ahead } => Status::Queued { ahead },
            Self::Scheduled(due) => Status::Scheduled(due),
            Self::Running { worker, since } => Status::Running { worker, since },
            Self::Done(value) => Status::Done(value.map(|value| Stored::Value(value).read()).transpose()?),
            Self::Failed(reason) => Status::Failed(reason),
            Self::Unknown => Status::Unknown,
        })
    }
}

impl Broker {
    /// What has become of a message. One that ends meanwhile is told of as it was or as it is, and never as [`Status::Unknown`] where
    /// its result or its [mark](crate::call::Call::remember_done) is kept.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn status(&self, message: &Message) -> Result<Status, StoreError> {
        self.on_io_thread(self.status_look(message).run()).await?
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::status`].
    pub fn status_blocking(&self, message: &Message) -> Result<Status, StoreError> {
        self.io_thread().check()?;
        self.io_thread().run_blocking(self.status_look(message).run())
    }

    /// The same, of the message to the actor `A` that has this id, with its value read as what that returns: an actor's own
    /// `status(&broker, &id)`.
    ///
    /// # Errors
    ///
    /// [`ResultError::Unreadable`] when it returned something else, or what the store says.
    pub async fn status_of<A: Actor, T>(&self, id: &MessageId) -> Result<Status<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.status(&self.message_of::<A>(id)).await?.read()
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::status_of`].
    pub fn status_of_blocking<A: Actor, T>(&self, id: &MessageId) -> Result<Status<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.status_blocking(&self.message_of::<A>(id))?.read()
    }

    fn status_look(&self, message: &Message) -> Look {
        Look {
            store: self.store().clone(),
            namespace: self.namespace().to_owned(),
            keys: [self.result_key(message), marks::key(self.namespace(), &message.message_id)],
            message: message.clone(),
        }
    }
}

/// Looks for a message where it may be.
struct Look {
    store: Arc<dyn Inspect>,
    namespace: String,
    /// Those of its result, and of its mark.
    keys: [String; 2],
    message: Message,
}

impl Look {
    async fn run(self) -> Result<Status, StoreError> {
        if let Some(done) = self.ended(false).await? {
            return Ok(done);
        }
        if let Some(found) = self.found().await? {
            let since = long_runs::since(&*self.store, &self.namespace, &found).await?;
            return Ok(Status::of(found.state, since));
        }
        // It may have ended between the two looks: what is kept of it is kept in the step of its end.
        Ok(self.ended(true).await?.unwrap_or(Status::Unknown))
    }

    /// What its result says; its mark, where that says that it is done, or nothing else is found of it.
    async fn ended(&self, is_last: bool) -> Result<Option<Status>, StoreError> {
        let mut kept = self.store.stored_all(&self.keys).await?.into_iter();
        if let Some(result) = kept.next().flatten() {
            return Ok(Some(decoded(&result, &self.message)?.into()));
        }
        Ok(match kept.next().flatten() {
            Some(mark) if mark == marks::DONE => Some(Status::Done(None)),
            // A dead letter tells why, and may have been requeued.
            Some(_) if is_last => Some(Status::Failed(None)),
            _ => None,
        })
    }

    async fn found(&self) -> Result<Option<MessageInfo>, StoreError> {
        let Message { message_id: id, queue_name: queue, .. } = &self.message;
        // Most lie under their id, which needs no search.
        let claim = Claim { queue: queue.clone(), id: id.as_str().into() };
        if let Some(found) = self.store.get(&claim).await? {
            return Ok(Some(found));
        }
        let found = self.store.find(id.as_str(), DEPTH).await?;
        Ok(found.into_iter().filter(|found| found.queue == *queue).max_by_key(MessageInfo::is_live))
    }
}

impl From<Stored> for Status {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Value(value) => Self::Done(Some(value)),
            Stored::Failed { kind, text } => Self::Failed(Some(format!("{kind}: {text}"))),
        }
    }
}

impl Status {
    /// What the place of a message says, and since when it runs, where that is known.
    fn of(state: State, since: Option<Timestamp>) -> Self {
        match state {
            State::Ready { ahead } => Self::Queued { ahead },
            State::Delayed { due } => Self::Scheduled(due),
            State::Claimed { worker, .. } => Self::Running { worker, since },
            State::Dead { reason, .. } => Self::Failed(reason),
        }
    }
}
