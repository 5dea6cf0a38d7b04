//! One step after the other.

use std::fmt;
use std::marker::PhantomData;
use std::ops::BitOr;
use std::sync::OnceLock;
use std::time::Duration;

use super::sent_pipeline::SentPipeline;
use crate::actor::{Actor, Gives, Untyped};
use crate::broker::Broker;
use crate::call::{Call, Partial};
use crate::clock::Timestamp;
use crate::error::EnqueueError;
use crate::message::{Message, Raw, option};

/// Steps that run one after the other, each with the result of the one before it.
///
/// ```
/// use common::actor;
/// # use common::{broker::Broker, error::EnqueueError};
///
/// #[actor]
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// #[actor]
/// fn archive(day: String) {}
///
/// # async fn example(broker: &Broker) -> Result<(), EnqueueError> {
/// // 1 + 2, then 3 + what that gave, then the archive, whatever it was.
/// (add::message(1, 2) | add::step(3) | archive::message("monday")).send(broker).await?;
/// # Ok(())
/// # }
/// ```
///
/// | after `a` comes | and is called |
/// | --- | --- |
/// | `a \| b::step(…)` | with the arguments given, and what `a` returned as the last one by position; the compiler checks that it fits |
/// | `a \| b::message(…)` | with the arguments given; what `a` returned is ignored |
/// | [`.append(b::message(…))`](Self::append) | as dramatiq does it: with what `a` returned behind the arguments given; nothing is checked |
///
/// A `Result` gives its value. An actor that fails for good ends the chain: its message is a dead letter, and goes on from there when it
/// is requeued and succeeds. Each step has its own options and retries; a [`delay`](Call::delay) counts from the end of the step
/// before it. A step that was done twice, since its worker died in the middle, sends the next one once more under the same id.
///
/// It becomes messages when it is first sent. Sending it again sends the same ones, so this is the way to repeat what had an unknown
/// outcome.
///
/// # Source
///
/// dramatiq 2.2, `pipeline`: the same on the wire. Differs: the next step is sent in the same step as the message ends, what
/// cannot be sent fails the message, and a message whose next step is none is not run.
pub struct Pipeline<A = Untyped> {
    steps: Vec<Call>,
    /// How long the first step waits at least.
    delay: Option<Duration>,
    /// The messages as they were first sent.
    messages: OnceLock<Vec<Message>>,
    last: PhantomData<fn() -> A>,
}

impl<A> Pipeline<A> {
    /// A pipeline of one step.
    #[must_use]
    pub fn new(first: Call<A>) -> Self {
        Self { steps: vec![first.erased()], delay: None, messages: OnceLock::new(), last: PhantomData }
    }

    /// Adds a step that is called as dramatiq does it: with the result of the one before it behind the arguments given, unless the
    /// option `pipe_ignore` is set. Nothing is checked: for actors whose types are not known here, and lists whose length is not.
    #[must_use]
    pub fn append<B, K>(self, step: Call<B, K>) -> Pipeline<B> {
        self.and_then(step.erased())
    }

    /// Lets the first step wait so long, from when it is first sent, or longer where that has a delay of its own.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// The same pipeline as a plain `Pipeline`, for lists of several and steps without types.
    #[must_use]
    pub fn untyped(self) -> Pipeline {
        let Self { steps, delay, messages, last: _ } = self;
        Pipeline { steps, delay, messages, last: PhantomData }
    }

    /// How many steps there are.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The messages that it becomes when sent at `now`, one a step; the same at every later call. The first one has all others
    /// inside.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::Invalid`] when an argument could not be encoded.
    pub fn messages(&self, now: Timestamp) -> Result<&[Message], EnqueueError> {
        if self.messages.get().is_none() {
            let messages = self.build(now)?;
            self.messages.get_or_init(|| messages);
        }
        Ok(self.messages.get().map_or(&[], Vec::as_slice))
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// Nothing was stored, except for [`EnqueueError::Unknown`]; sending the same pipeline again is safe.
    pub async fn send(&self, broker: &Broker) -> Result<SentPipeline<A>, EnqueueError> {
        let messages = self.messages(broker.clock().now())?;
        let mut sent = broker.enqueue(messages[..1].to_vec()).await?;
        Ok(SentPipeline::new(broker, sent.swap_remove(0), &messages[1..]))
    }

    /// Sends it, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// Nothing was stored, except for [`EnqueueError::Unknown`]; sending the same pipeline again is safe.
    pub fn send_blocking(&self, broker: &Broker) -> Result<SentPipeline<A>, EnqueueError> {
        let messages = self.messages(broker.clock().now())?;
        let mut sent = broker.enqueue_blocking(messages[..1].to_vec())?;
        Ok(SentPipeline::new(broker, sent.swap_remove(0), &messages[1..]))
    }

    fn and_then<B>(self, step: Call) -> Pipeline<B> {
        let Self { mut steps, delay, .. } = self;
        steps.push(step);
        Pipeline { steps, delay, messages: OnceLock::new(), last: PhantomData }
    }

    fn build(&self, now: Timestamp) -> Result<Vec<Message>, EnqueueError> {
        self.messages_with(now, None, &[])
    }

    /// The same, where the first one waits for so long at least, and the last one has these options as well.
    pub(super) fn messages_with(
        &self,
        now: Timestamp,
        delay: Option<Duration>,
        of_last: &[(&str, Raw)],
    ) -> Result<Vec<Message>, EnqueueError> {
        let mut messages: Vec<Message> = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.iter().enumerate().rev() {
            let mut message = step.step(now, index == 0)?;
            match messages.last() {
                Some(next) => message.options.set(option::PIPE_TARGET, next.to_raw()),
                None => of_last.iter().for_each(|(name, value)| message.options.set(name, value.clone())),
            }
            messages.push(message);
        }
        messages.reverse();
        if let (Some(delay), Some(first)) = (self.delay.max(delay), messages.first_mut()) {
            let due = now + delay;
            first.set_eta(Some(first.eta(now).map_or(due, |own| own.max(due))));
        }
        Ok(messages)
    }

    /// When its first step comes due, where it waits.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::Invalid`] when an argument of any step could not be encoded.
    pub(super) fn first_due(&self, now: Timestamp) -> Result<Option<Timestamp>, EnqueueError> {
        let each = self.steps.iter().map(|step| step.due(now)).collect::<Result<Vec<_>, _>>()?;
        let own = each.into_iter().next().flatten();
        Ok(own.max(self.delay.map(|delay| now + delay)))
    }
}

/// A step that ignores what the one before it returned.
fn ignoring<B>(step: Call<B>) -> Call {
    step.option(option::PIPE_IGNORE, Raw::TRUE).erased()
}

impl<A, B> BitOr<Call<B, Partial>> for Pipeline<A>
where
    A: Actor,
    B: Actor,
    A::Returned: Gives<B::Last>,
{
    type Output = Pipeline<B>;

    fn bitor(self, step: Call<B, Partial>) -> Pipeline<B> {
        self.and_then(step.erased())
    }
}

impl<A, B> BitOr<Call<B>> for Pipeline<A> {
    type Output = Pipeline<B>;

    fn bitor(self, step: Call<B>) -> Pipeline<B> {
        self.and_then(ignoring(step))
    }
}

impl<A, B> BitOr<Pipeline<B>> for Pipeline<A> {
    type Output = Pipeline<B>;

    /// Its first step ignores what the last one of this returned.
    fn bitor(self, other: Pipeline<B>) -> Pipeline<B> {
        let Self { mut steps, delay, .. } = self;
        let mut others = other.steps.into_iter();
        steps.extend(others.next().map(|first| {
            let first = ignoring(first);
            // From the end of the step before it.
            if let Some(delay) = other.delay { first.delay_at_least(delay) } else { first }
        }));
        steps.extend(others);
        Pipeline { steps, delay, messages: OnceLock::new(), last: PhantomData }
    }
}

impl<A, B> BitOr<Call<B, Partial>> for Call<A>
where
    A: Actor,
    B: Actor,
    A::Returned: Gives<B::Last>,
{
    type Output = Pipeline<B>;

    fn bitor(self, step: Call<B, Partial>) -> Pipeline<B> {
        Pipeline::new(self) | step
    }
}

impl<A, B> BitOr<Call<B>> for Call<A> {
    type Output = Pipeline<B>;

    fn bitor(self, step: Call<B>) -> Pipeline<B> {
        Pipeline::new(self) | step
    }
}

impl<A, B> BitOr<Pipeline<B>> for Call<A> {
    type Output = Pipeline<B>;

    fn bitor(self, other: Pipeline<B>) -> Pipeline<B> {
        Pipeline::new(self) | other
    }
}

impl<A> fmt::Debug for Pipeline<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("steps", &self.steps).field("delay", &self.delay).finish_non_exhaustive()
    }
}
