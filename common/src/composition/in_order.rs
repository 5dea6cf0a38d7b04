//! What the members of a group came to, in their order, however many they are.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Broker;
use crate::clock::{Clock, Stopwatch};
use crate::error::{ResultError, StoreError};
use crate::message::Message;
use crate::results::{Readable, Stored};

/// Of how many members the outcome is asked for, and kept here, at once.
const WINDOW: usize = 1_000;

/// How long at least between two looks, where the first of them did not find all that it asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// A look at the first thousand members whose outcome was not given yet.
pub(super) struct InOrder {
    broker: Broker,
    members: Arc<[Message]>,
    /// How many were given.
    given: usize,
    /// What is known of those behind that.
    known: VecDeque<Option<Stored>>,
    waited: Stopwatch,
    timeout: Duration,
    /// When a look found less than all that it asked for.
    missed: Option<Stopwatch>,
}

impl InOrder {
    pub(super) fn new(broker: &Broker, members: Arc<[Message]>, timeout: Duration) -> Self {
        let (broker, waited) = (broker.clone(), Stopwatch::start());
        Self { broker, members, given: 0, known: VecDeque::new(), waited, timeout, missed: None }
    }

    /// The outcome of the next member; `None` behind the last one, and behind an error.
    pub(super) async fn next(&mut self) -> Option<Result<Stored, ResultError>> {
        if !self.is_ready()
            && let Err(error) = self.fill().await
        {
            return Some(Err(self.end(error)));
        }
        self.take().map(Ok)
    }

    /// Whether the next one needs no waiting.
    fn is_ready(&self) -> bool {
        self.given == self.members.len() || matches!(self.known.front(), Some(Some(_)))
    }

    fn take(&mut self) -> Option<Stored> {
        let outcome = self.known.pop_front()??;
        self.given += 1;
        Some(outcome)
    }

    /// Gives no more.
    fn end(&mut self, error: ResultError) -> ResultError {
        self.given = self.members.len();
        self.known.clear();
        error
    }

    /// Waits for the outcome of the next member. Cancel safe.
    async fn fill(&mut self) -> Result<(), ResultError> {
        if let Some(missed) = self.missed {
            let pause = PAUSE.saturating_sub(missed.elapsed()).min(self.left());
            self.broker
                .on_io_thread(async move { Clock::system().sleep(pause).await })
                .await
                .map_err(StoreError::from)?;
        }
        self.look().await?;
        if !self.is_ready() {
            let first = &self.members[self.given];
            self.known[0] = Some(self.broker.wait_for_result(first, self.left()).await?);
        }
        Ok(())
    }

    /// Asks for what is not known of the first thousand.
    async fn look(&mut self) -> Result<(), StoreError> {
        let rest = &self.members[self.given..];
        self.known.resize(rest.len().min(WINDOW), None);
        let unknown = self.known.iter().zip(rest).filter(|(known, _)| known.is_none());
        let unknown: Vec<Message> = unknown.map(|(_, member)| member.clone()).collect();
        let mut found = self.broker.results(&unknown).await?.into_iter();
        for known in self.known.iter_mut().filter(|known| known.is_none()) {
            *known = found.next().flatten();
        }
        self.missed = self.known.contains(&None).then(Stopwatch::start);
        Ok(())
    }

    fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.waited.elapsed())
    }
}

/// What the members of a group returned, in their order ([`SentGroup::each_result`](super::SentGroup::each_result)).
pub struct Results<T> {
    in_order: InOrder,
    refused: Option<ResultError>,
    read: PhantomData<fn() -> T>,
}

impl<T: Readable> Results<T> {
    pub(super) fn new(mut in_order: InOrder, kept: Result<(), ResultError>) -> Self {
        let refused = kept.err().map(|error| in_order.end(error));
        Self { in_order, refused, read: PhantomData }
    }

    /// What the next member returned, once it is kept; `None` behind the last one. Cancel safe.
    ///
    /// # Errors
    ///
    /// As [`Sent::result`](crate::call::Sent::result). Behind a member that has failed, or whose result cannot be read, come the others; any other
    /// error is the last item.
    pub async fn next(&mut self) -> Option<Result<T, ResultError>> {
        if let Some(refused) = self.refused.take() {
            return Some(Err(refused));
        }
        Some(self.in_order.next().await?.and_then(|stored| stored.read()))
    }
}

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("given", &self.in_order.given).finish_non_exhaustive()
    }
}

/// The same for a thread that may wait ([`SentGroup::each_result_blocking`](super::SentGroup::each_result_blocking)). Behind a member that has failed, or whose
/// result cannot be read, come the others; any other error is the last item.
pub struct BlockingResults<T> {
    /// Gone only while it is looked for more.
    in_order: Option<InOrder>,
    refused: Option<ResultError>,
    read: PhantomData<fn() -> T>,
}

impl<T: Readable> BlockingResults<T> {
    pub(super) fn new(in_order: InOrder, kept: Result<(), ResultError>) -> Self {
        let Results { in_order, refused, read } = Results::new(in_order, kept);
        Self { in_order: Some(in_order), refused, read }
    }
}

impl<T: Readable> Iterator for BlockingResults<T> {
    type Item = Result<T, ResultError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(refused) = self.refused.take() {
            return Some(Err(refused));
        }
        let mut in_order = self.in_order.take()?;
        let next = if in_order.is_ready() {
            in_order.take().map(Ok)
        } else {
            let broker = in_order.broker.clone();
            if let Err(forked) = broker.io_thread().check() {
                return Some(Err(StoreError::from(forked).into()));
            }
            let next;
            (in_order, next) = broker.io_thread().run_blocking(async move {
                let next = in_order.next().await;
                (in_order, next)
            });
            next
        };
        self.in_order = Some(in_order);
        Some(next?.and_then(|stored| stored.read()))
    }
}

impl<T> fmt::Debug for BlockingResults<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.in_order.as_ref().map(|in_order| in_order.given);
        f.debug_struct("BlockingResults").field("given", &given).finish_non_exhaustive()
    }
}
