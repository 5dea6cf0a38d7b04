//! A call that is being put together, and what is known of it once it is sent.

mod options;
mod sent;

use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

pub use self::sent::Sent;
use crate::actor::{Actor, Declaration, Entry, Parameter, Untyped};
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::duration::millis;
use crate::error::EnqueueError;
use crate::message::{Entries, Message, MessageId, ParseError, Raw, option};
use crate::queue_name::QueueName;

/// A call of an actor, before it is sent.
///
/// ```
/// # use common::call::Call;
/// # fn example(call: Call) -> Call {
/// use std::time::Duration;
/// call.delay(Duration::from_secs(300)).max_retries(5)
/// # }
/// ```
///
/// It becomes a message when it is first sent. Sending the same call again sends the same message: a broker that has it
/// does not store it twice, so this is the way to repeat a call whose outcome is unknown.
///
/// `A` is the actor that it calls. Calls of several actors go into one list as plain `Call`s: `[add::message(1, 2).untyped(), …]`.
pub struct Call<A = Untyped, K = Whole> {
    declaration: &'static Declaration,
    args: Result<Vec<Raw>, Box<EnqueueError>>,
    options: Entries,
    when: When,
    id: MessageId,
    /// Whether its last positional argument is still to come.
    is_partial: bool,
    /// The message as it was first sent; later sends have to send the same bytes.
    message: OnceLock<Box<Message>>,
    kind: PhantomData<fn() -> (A, K)>,
}

/// A call with all of its arguments.
#[derive(Clone, Copy, Debug)]
pub enum Whole {}

/// A call whose last positional argument is the result of the step before it.
#[derive(Clone, Copy, Debug)]
pub enum Partial {}

/// A step of a [pipeline](crate::composition::Pipeline) that takes the result of the one before it: `add::step(3)`.
pub type Step<A> = Call<A, Partial>;

/// When a call is to run.
#[derive(Clone, Copy, Debug)]
enum When {
    Now,
    In(Duration),
    At(Timestamp),
}

impl Call {
    /// A call with arguments in the order of the parameters, which know what is sent by name. An argument that could not be encoded is
    /// reported when the call is sent.
    pub fn new(declaration: &'static Declaration, args: impl IntoIterator<Item = Result<Raw, ParseError>>) -> Self {
        Self::build(declaration, args, false)
    }
}

impl<A: Actor> Call<A> {
    /// The same for an actor's own `message`; `#[actor]` emits this.
    #[doc(hidden)]
    pub fn of(args: impl IntoIterator<Item = Result<Raw, ParseError>>) -> Self {
        Self::build(A::DECLARATION, args, false)
    }
}

impl<A: Actor> Step<A> {
    /// The same for an actor's own `step`, which lacks the last positional argument; `#[actor]` emits this.
    #[doc(hidden)]
    pub fn of_step(args: impl IntoIterator<Item = Result<Raw, ParseError>>) -> Self {
        Self::build(A::DECLARATION, args, true)
    }
}

/// How many parameters go by position.
fn by_position(parameters: &[Parameter]) -> usize {
    parameters.iter().take_while(|parameter| !parameter.is_kwarg).count()
}

impl<A, K> Call<A, K> {
    fn build(
        declaration: &'static Declaration,
        args: impl IntoIterator<Item = Result<Raw, ParseError>>,
        is_partial: bool,
    ) -> Self {
        let missing = is_partial.then(|| by_position(declaration.parameters).saturating_sub(1));
        let name = |index: usize| {
            let index = index + usize::from(missing.is_some_and(|missing| missing <= index));
            declaration.parameters.get(index).map_or("?", |parameter| parameter.name)
        };
        let args = args.into_iter().enumerate().map(|(index, arg)| {
            arg.map_err(|error| {
                let cause = error.to_string();
                Box::new(EnqueueError::Invalid { actor: declaration.name, argument: name(index), cause })
            })
        });
        // A batch has many of them.
        let args = args.collect::<Result<Vec<_>, _>>().map(|mut args| {
            args.shrink_to_fit();
            args
        });
        let mut options = Entries::default();
        if declaration.priority != 0 {
            options.set(option::PRIORITY, Raw::from(i64::from(declaration.priority)));
        }
        if let Entry::Remote = declaration.entry {
            options::declared(declaration, &mut options);
        }
        Self {
            declaration,
            args,
            options,
            when: When::Now,
            id: MessageId::random(),
            is_partial,
            message: OnceLock::new(),
            kind: PhantomData,
        }
    }

    /// Waits so long at least; one that waits for a time of day has that.
    pub(crate) fn delay_at_least(mut self, delay: Duration) -> Self {
        self.when = match self.when {
            When::Now => When::In(delay),
            When::In(own) => When::In(own.max(delay)),
            When::At(time) => When::At(time),
        };
        self
    }

    /// The same call, with its types gone.
    pub(crate) fn erased(self) -> Call {
        let Self { declaration, args, options, when, id, is_partial, message, kind: _ } = self;
        Call { declaration, args, options, when, id, is_partial, message, kind: PhantomData }
    }

    /// Runs it after `delay`, counted from when it is first sent.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.when = When::In(delay);
        self
    }

    /// Runs it at a time, by the broker's clock; at once where that is past.
    #[must_use]
    pub fn at(mut self, time: impl Into<Timestamp>) -> Self {
        self.when = When::At(time.into());
        self
    }

    /// Sets any option of the message: for middleware of your own, or what only a Python worker understands.
    #[must_use]
    pub fn option(mut self, name: &str, value: Raw) -> Self {
        self.options.set(name, value);
        self
    }

    /// The id of the message that it is or will be.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// When it is to run, where that is not at once.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::Invalid`] when an argument could not be encoded.
    pub(crate) fn due(&self, now: Timestamp) -> Result<Option<Timestamp>, EnqueueError> {
        if let Err(invalid) = &self.args {
            return Err(EnqueueError::clone(invalid));
        }
        Ok(match self.when {
            When::Now => None,
            When::In(delay) => Some(now + delay),
            When::At(time) => Some(time),
        })
    }

    /// The message that it becomes as a step of a pipeline.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::Invalid`] when an argument could not be encoded.
    pub(crate) fn step(&self, now: Timestamp, is_first: bool) -> Result<Message, EnqueueError> {
        let args = self.args.clone().map_err(|invalid| *invalid)?;
        let mut message = self.as_message(args, now);
        match self.when {
            When::In(delay) if is_first => message.set_eta(Some(now + delay)),
            // From when the step before it ends.
            When::In(delay) => message.options.set(option::DELAY, Raw::from(millis(delay))),
            When::At(time) => message.set_eta(Some(time)),
            When::Now => {}
        }
        Ok(message)
    }

    fn as_message(&self, mut args: Vec<Raw>, now: Timestamp) -> Message {
        let parameters = self.declaration.parameters;
        let positional = by_position(parameters);
        let given = positional - usize::from(self.is_partial);
        let named = parameters.iter().skip(positional);
        let mut kwargs = Entries::default();
        // Without any of those, what there is too much stays where it is, for the actor to refuse.
        if positional < parameters.len() && given < args.len() {
            for (parameter, value) in named.zip(args.split_off(given)) {
                kwargs.set(parameter.name, value);
            }
        }
        Message {
            queue_name: QueueName::canonical(self.declaration.queue),
            actor_name: self.declaration.name.into(),
            args,
            kwargs,
            options: self.options.clone(),
            message_id: self.id.clone(),
            message_timestamp: now,
        }
    }
}

impl<A> Call<A> {
    /// The same call as a plain `Call`, for lists of calls of several actors.
    #[must_use]
    pub fn untyped(self) -> Call {
        self.erased()
    }

    /// The message that it becomes when sent at `now`; the same at every later call.
    ///
    /// # Errors
    ///
    /// [`EnqueueError::Invalid`] when an argument could not be encoded.
    pub fn message(&self, now: Timestamp) -> Result<Message, EnqueueError> {
        if let Some(message) = self.message.get() {
            return Ok(Message::clone(message));
        }
        let message = self.step(now, true)?;
        Ok(Message::clone(self.message.get_or_init(|| Box::new(message))))
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// Nothing was stored, except for [`EnqueueError::Unknown`]; sending the same call again is safe.
    pub async fn send(&self, broker: &Broker) -> Result<Sent<A>, EnqueueError> {
        let message = self.message(broker.clock().now())?;
        let mut sent = broker.enqueue(vec![message]).await?;
        Ok(Sent::new(broker, sent.swap_remove(0)))
    }

    /// Sends it, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// Nothing was stored, except for [`EnqueueError::Unknown`]; sending the same call again is safe.
    pub fn send_blocking(&self, broker: &Broker) -> Result<Sent<A>, EnqueueError> {
        let message = self.message(broker.clock().now())?;
        let mut sent = broker.enqueue_blocking(vec![message])?;
        Ok(Sent::new(broker, sent.swap_remove(0)))
    }
}

impl<A, K> fmt::Debug for Call<A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { declaration, args, options, when, id, is_partial, message: _, kind: _ } = self;
        f.debug_struct("Call")
            .field("declaration", declaration)
            .field("args", args)
            .field("options", options)
            .field("when", when)
            .field("id", id)
            .field("is_partial", is_partial)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Sends many calls as one batch.
    ///
    /// # Errors
    ///
    /// See [`EnqueueError`]: it says how many of them are stored. One that cannot be encoded keeps all of them from being sent.
    pub async fn send_all<A>(&self, calls: impl IntoIterator<Item = Call<A>>) -> Result<Vec<Sent<A>>, EnqueueError> {
        Ok(self.as_sent(self.enqueue(messages(calls, self.clock().now())?).await?))
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::send_all`].
    pub fn send_all_blocking<A>(&self, calls: impl IntoIterator<Item = Call<A>>) -> Result<Vec<Sent<A>>, EnqueueError> {
        Ok(self.as_sent(self.enqueue_blocking(messages(calls, self.clock().now())?)?))
    }

    fn as_sent<A>(&self, messages: Vec<Message>) -> Vec<Sent<A>> {
        messages.into_iter().map(|message| Sent::new(self, message)).collect()
    }
}

fn messages<A>(calls: impl IntoIterator<Item = Call<A>>, now: Timestamp) -> Result<Vec<Message>, EnqueueError> {
    calls.into_iter().map(|call| call.message(now)).collect()
}
