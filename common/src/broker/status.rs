//! What has become of a message.

use super::Broker;
use super::inspect::DEPTH;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::{Message, Raw};
use crate::results::Stored;
use crate::store::{MessageInfo, State};

/// What has become of a message that was sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Status {
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
    },
    /// It is done, and this is kept of it.
    Done(Raw),
    /// It has failed for good, or died without a run, for this reason, where one is known.
    Failed(Option<String>),
    /// It is nowhere, and nothing is kept of it: it is done and keeps nothing, that was too long ago, or there never was such a
    /// message.
    Unknown,
}

impl Broker {
    /// What has become of a message. One that ends meanwhile is told of as it was or as it is, and never as [`Status::Unknown`] where
    /// its result is kept.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn status(&self, message: &Message) -> Result<Status, StoreError> {
        if let Some(stored) = self.result(message).await? {
            return Ok(stored.into());
        }
        let found = self.find(message.message_id.as_str(), DEPTH).await?;
        let its = found.into_iter().filter(|found| found.queue == message.queue_name);
        if let Some(found) = its.max_by_key(MessageInfo::is_live) {
            return Ok(found.state.into());
        }
        // It may have ended between the two looks: what is kept of it is kept in the step of its end.
        Ok(self.result(message).await?.map_or(Status::Unknown, Status::from))
    }
}

impl From<Stored> for Status {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Value(value) => Self::Done(value),
            Stored::Failed { kind, text } => Self::Failed(Some(format!("{kind}: {text}"))),
        }
    }
}

impl From<State> for Status {
    fn from(state: State) -> Self {
        match state {
            State::Ready { ahead } => Self::Queued { ahead },
            State::Delayed { due } => Self::Scheduled(due),
            State::Claimed { worker, .. } => Self::Running { worker },
            State::Dead { reason, .. } => Self::Failed(reason),
        }
    }
}
