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
use crate::store::{Inspect, Look, MessageInfo, Place, State};

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
    /// Its result, its mark and its place are seen by one [look](crate::store::Inspect::look), which is one step of the store, and one
    /// call. It takes more where results lie [in another one](crate::stores::split); where a mark says that it has failed, and its dead
    /// letter is asked why; and on Redis where it was retried, or is unknown, in a queue that is too long for one step: more than a
    /// thousand messages, or 4 MB of them.
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

    fn status_look(&self, message: &Message) -> StatusLook {
        let Message { message_id: id, queue_name: queue, .. } = message;
        let keys = vec![self.result_key(message), marks::key(self.namespace(), id)];
        let told_under = long_runs::keys(self.namespace());
        StatusLook {
            store: self.store().clone(),
            look: Look { queue: queue.clone(), id: id.clone(), keys, told_under },
            message: message.clone(),
        }
    }
}

/// Looks for a message where it may be.
struct StatusLook {
    store: Arc<dyn Inspect>,
    /// Its keys are those of its result, and of its mark.
    look: Look,
    message: Message,
}

impl StatusLook {
    async fn run(self) -> Result<Status, StoreError> {
        let looked = self.store.look(&self.look).await?;
        let is_kept = looked.is_kept();
        if let Some(done) = self.done(&looked.kept)? {
            return Ok(done);
        }
        let found = match looked.place {
            Place::At { name, state, told } => Some(self.at(state, &name, told.as_deref())),
            Place::Nowhere => return Ok(Status::Unknown),
            Place::Open => self.found(is_kept).await?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        // It may have ended amid all that: what is kept of it is kept in the step of its end.
        let kept = self.store.stored_all(&self.look.keys).await?;
        let failed = kept.iter().any(Option::is_some).then_some(Status::Failed(None));
        Ok(self.done(&kept)?.or(failed).unwrap_or(Status::Unknown))
    }

    /// What its result says, or else its mark, where that says that it is done.
    fn done(&self, kept: &[Option<Vec<u8>>]) -> Result<Option<Status>, StoreError> {
        Ok(match kept {
            [Some(result), ..] => Some(decoded(result, &self.message)?.into()),
            [None, Some(mark)] if mark == marks::DONE => Some(Status::Done(None)),
            _ => None,
        })
    }

    /// What its place says, where one look has left that open.
    async fn found(&self, is_kept: bool) -> Result<Option<Status>, StoreError> {
        if is_kept {
            // It has failed. A dead letter tells why, and may have been requeued.
            match self.store.look(&Look { keys: Vec::new(), ..self.look.clone() }).await?.place {
                Place::At { name, state, told } => return Ok(Some(self.at(state, &name, told.as_deref()))),
                Place::Nowhere => return Ok(None),
                Place::Open => {}
            }
        }
        let found = self.store.find(self.look.id.as_str(), DEPTH).await?;
        let found = found.into_iter().filter(|found| self.look.is_for(found)).max_by_key(MessageInfo::is_live);
        let Some(found) = found else { return Ok(None) };
        let told = long_runs::told(&*self.store, &self.look.told_under, &found).await?;
        Ok(Some(self.at(found.state, &found.name, told.as_deref())))
    }

    /// What a place says, and since when the message runs, where its worker has told.
    fn at(&self, state: State, name: &str, told: Option<&[u8]>) -> Status {
        match state {
            State::Ready { ahead } => Status::Queued { ahead },
            State::Delayed { due } => Status::Scheduled(due),
            State::Claimed { worker, .. } => {
                let since = told.and_then(|told| long_runs::since_in(told, &self.look.queue, name));
                Status::Running { worker, since }
            }
            State::Dead { reason, .. } => Status::Failed(reason),
        }
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
