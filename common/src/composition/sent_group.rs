//! A group that was sent.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::in_order::{BlockingResults, InOrder, Results};
use crate::actor::{Actor, Gives, Untyped, waits};
use crate::broker::Broker;
use crate::call::Sent;
use crate::clock::{Clock, Stopwatch};
use crate::error::{ResultError, StoreError};
use crate::message::Message;
use crate::results::{Readable, Stored};
use crate::store::GroupInfo;

/// How many results are asked for at once.
const CHUNK: usize = 1_000;

/// How long to wait before looking again how far a group is, at first and at most; it doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));

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

    /// The message of each member, the last one of those that are pipelines, without the options that make it one of the group.
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

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn completed_blocking(&self) -> Result<usize, StoreError> {
        self.broker.io_thread().check()?;
        let untyped = self.untyped();
        self.broker.io_thread().run_blocking(async move { untyped.completed().await })
    }

    /// Waits until no member is left, for `timeout` at most: each is done, or has failed for good. It looks at how far the group is
    /// from time to time, which takes no longer for many members. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ResultError::NotCounted`] where [`progress`](Self::progress) tells nothing, [`ResultError::Left`] when members are left after that
    /// time, or what the store says.
    pub async fn wait(&self, timeout: Duration) -> Result<Progress, ResultError> {
        self.broker.io_thread().check().map_err(StoreError::from)?;
        self.broker.io_thread().run_while_wanted(self.untyped().ended(timeout)).await
    }

    /// The same, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// As [`SentGroup::wait`].
    pub fn wait_blocking(&self, timeout: Duration) -> Result<Progress, ResultError> {
        self.broker.io_thread().check().map_err(StoreError::from)?;
        self.broker.io_thread().run_blocking(self.untyped().ended(timeout))
    }

    /// Waits until all members have kept what they came to, for `timeout` at most, and gives it in their order, failures among it. All
    /// of their actors have to keep results.
    ///
    /// # Errors
    ///
    /// [`ResultError::Timeout`], which tells of the first member that has none, or what the store says.
    pub async fn outcomes(&self, timeout: Duration) -> Result<Vec<Stored>, ResultError> {
        let mut in_order = self.in_order(timeout);
        let mut outcomes = Vec::with_capacity(self.members.len());
        while let Some(outcome) = in_order.next().await {
            outcomes.push(outcome?);
        }
        Ok(outcomes)
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`SentGroup::outcomes`].
    pub fn outcomes_blocking(&self, timeout: Duration) -> Result<Vec<Stored>, ResultError> {
        self.broker.io_thread().check().map_err(StoreError::from)?;
        let untyped = self.untyped();
        self.broker.io_thread().run_blocking(async move { untyped.outcomes(timeout).await })
    }

    fn in_order(&self, timeout: Duration) -> InOrder {
        InOrder::new(&self.broker, self.members.clone(), timeout)
    }

    fn untyped(&self) -> SentGroup {
        let Self { broker, members, name, counts_failures, actor: _ } = self.clone();
        SentGroup { broker, members, name, counts_failures, actor: PhantomData }
    }
}

impl SentGroup {
    /// Waits until no member is left.
    async fn ended(self, timeout: Duration) -> Result<Progress, ResultError> {
        let (waited, mut pause) = (Stopwatch::start(), PAUSES.0);
        if self.members.is_empty() {
            return Ok(Progress { done: 0, failed: 0, left: 0 });
        }
        loop {
            let Some(progress) = self.progress().await? else { return Err(ResultError::NotCounted) };
            let Progress { done, failed, left } = progress;
            let time = timeout.saturating_sub(waited.elapsed());
            if left == 0 {
                return Ok(progress);
            } else if time.is_zero() {
                return Err(ResultError::Left { timeout, done, failed, left });
            }
            waits::waiting(Clock::system().sleep(pause.min(time))).await;
            pause = (pause * 2).min(PAUSES.1);
        }
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
        self.outcomes_blocking(timeout)?.iter().map(Stored::read).collect()
    }

    /// What each member's actor returned, in their order, as soon as it is kept, within one `timeout` for all: for so many results that
    /// they should not be in memory at once. About a thousand are.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use common::actor;
    /// # use common::broker::Broker;
    /// #[actor(store_results = true)]
    /// fn checksum(path: String) -> u64 {
    ///     # _ = path;
    ///     17
    /// }
    ///
    /// # async fn example(broker: &Broker, paths: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    /// let sent = checksum::batch(paths).send(broker).await?;
    /// let mut sums = sent.each_result::<u64>(Duration::from_secs(60));
    /// while let Some(sum) = sums.next().await {
    ///     println!("{}", sum?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn each_result<T>(&self, timeout: Duration) -> Results<T>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        Results::new(self.in_order(timeout), self.check_kept())
    }

    /// The same, from a thread that may wait: `for sum in sent.each_result_blocking::<u64>(timeout)`.
    #[must_use]
    pub fn each_result_blocking<T>(&self, timeout: Duration) -> BlockingResults<T>
    where
        A::Returned: Gives<T>,
        T: Readable,
    {
        BlockingResults::new(self.in_order(timeout), self.check_kept())
    }

    fn check_kept(&self) -> Result<(), ResultError> {
        self.members.first().map_or(Ok(()), |first| Sent::<A>::new(&self.broker, first.clone()).check_kept())
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
