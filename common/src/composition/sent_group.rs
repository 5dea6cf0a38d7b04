//! A group that was sent.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Actor, Gives, Untyped};
use crate::broker::Broker;
use crate::call::Sent;
use crate::clock::Stopwatch;
use crate::error::{ResultError, StoreError};
use crate::message::Message;
use crate::results::{Readable, Stored};
use crate::store::GroupInfo;

/// How many results are asked for at once.
const CHUNK: usize = 1_000;

/// A group that was sent, and where. `A` is the actor that has the result of each member.
pub struct SentGroup<A = Untyped> {
    broker: Broker,
    members: Arc<[Message]>,
    name: Option<String>,
    counts_failures: bool,
    actor: PhantomData<fn() -> A>,
}

/// How far a group is: all of its members together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many are done.
    pub done: u32,
    /// How many have failed for good, and were not done since.
    pub failed: u32,
    /// How many have not ended yet.
    pub left: u32,
}

impl<A> SentGroup<A> {
    pub(super) fn new(broker: &Broker, members: Vec<Message>, name: Option<String>, counts_failures: bool) -> Self {
        Self { broker: broker.clone(), members: members.into(), name, counts_failures, actor: PhantomData }
    }

    /// The message of each member, the last one of those that are pipelines.
    #[must_use]
    pub fn members(&self) -> &[Message] {
        &self.members
    }

    /// The group's name in the store; `None` where its members are not counted.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How far it is, by one look that takes no longer for many members. `None` where they are not counted
    /// ([`Group::tracked`](super::Group::tracked)), or that was too long ago. Failures that Python's workers had do not show.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn progress(&self) -> Result<Option<Progress>, StoreError> {
        let Some(name) = &self.name else { return Ok(None) };
        Ok(self.broker.group(name).await?.map(|info| self.as_progress(info)))
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn progress_blocking(&self) -> Result<Option<Progress>, StoreError> {
        let Some(name) = &self.name else { return Ok(None) };
        Ok(self.broker.group_blocking(name)?.map(|info| self.as_progress(info)))
    }

    fn as_progress(&self, GroupInfo { left, failed }: GroupInfo) -> Progress {
        let counted = u32::try_from(self.members.len()).unwrap_or(u32::MAX).saturating_sub(left);
        if self.counts_failures {
            Progress { done: counted.saturating_sub(failed), failed, left }
        } else {
            Progress { done: counted, failed, left: left.saturating_sub(failed) }
        }
    }

    /// How many members have kept a result.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn completed(&self) -> Result<usize, StoreError> {
        let mut completed = 0;
        for members in self.members.chunks(CHUNK) {
            completed += self.broker.results(members).await?.iter().flatten().count();
        }
        Ok(completed)
    }

    /// Waits until all members have kept what they came to, for `timeout` at most, and gives it in their order, failures among it. All
    /// of their actors have to keep results.
    ///
    /// # Errors
    ///
    /// [`ResultError::Timeout`], which tells of the first member that has none, or what the store says.
    pub async fn outcomes(&self, timeout: Duration) -> Result<Vec<Stored>, ResultError> {
        let (waited, mut outcomes) = (Stopwatch::start(), Vec::with_capacity(self.members.len()));
        while let Some(first) = self.members.get(outcomes.len()) {
            let rest = &self.members[outcomes.len()..];
            let found = self.broker.results(&rest[..rest.len().min(CHUNK)]).await?;
            let known = outcomes.len();
            outcomes.extend(found.into_iter().map_while(|stored| stored));
            if outcomes.len() == known {
                // By then, more of them have ended.
                outcomes.push(self.broker.wait_for_result(first, timeout.saturating_sub(waited.elapsed())).await?);
            }
        }
        Ok(outcomes)
    }
}

impl<A> Clone for SentGroup<A> {
    fn clone(&self) -> Self {
        let Self { broker, members, name, counts_failures, actor } = self;
        Self {
            broker: broker.clone(),
            members: members.clone(),
            name: name.clone(),
            counts_failures: *counts_failures,
            actor: *actor,
        }
    }
}

impl<A: Actor> SentGroup<A> {
    /// Waits until all members have kept what their actor returned, for `timeout` at most, and reads it, in their order.
    ///
    /// # Errors
    ///
    /// As [`Sent::result`]: the first member that has no value.
    pub async fn results<T>(&self, timeout: Duration) -> Result<Vec<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.check_kept()?;
        self.outcomes(timeout).await?.iter().map(Stored::read).collect()
    }

    /// The same, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// As [`SentGroup::results`].
    pub fn results_blocking<T>(&self, timeout: Duration) -> Result<Vec<T>, ResultError>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        self.check_kept()?;
        self.broker.io_thread().check().map_err(StoreError::from)?;
        let untyped = self.untyped();
        let outcomes = self.broker.io_thread().run_blocking(async move { untyped.outcomes(timeout).await })?;
        outcomes.iter().map(Stored::read).collect()
    }

    fn check_kept(&self) -> Result<(), ResultError> {
        self.members.first().map_or(Ok(()), |first| Sent::<A>::new(&self.broker, first.clone()).check_kept())
    }

    fn untyped(&self) -> SentGroup {
        let Self { broker, members, name, counts_failures, actor: _ } = self.clone();
        SentGroup { broker, members, name, counts_failures, actor: PhantomData }
    }
}

impl<A> fmt::Debug for SentGroup<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentGroup")
            .field("name", &self.name)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
