//! What the library knows about an actor.
//!
//! `#[actor]` leaves the function as it is and puts a type of the same name beside it, which implements [`Actor`]: a
//! [`Declaration`] is everything a worker needs to run it, with its types gone. Parameters by value travel in the
//! message; references are state of the worker ([`States`]), among them [`Context`].

mod arguments;
mod context;
mod gives;
mod options;
mod parameter;
mod payload;
pub mod returned;
mod state;
pub(crate) mod waits;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use self::arguments::Arguments;
pub use self::context::{Cancellation, Cause, Context, Interrupted, Wanted};
pub use self::gives::{Gives, Untyped};
pub use self::options::Options;
pub use self::parameter::Parameter;
pub use self::payload::{FromText, Payload, PayloadKind, from_text, payload};
pub use self::state::States;
use crate::outcome::Outcome;

/// A function that can be called through a broker; `#[actor]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no actor",
    label = "not an actor",
    note = "put `#[actor]` above the function of this name, and import the name itself"
)]
pub trait Actor {
    /// What it returns; of a `Result`, its value. [`Untyped`] where its signature gives it no name: `impl Trait`, a borrowed value.
    type Returned;

    /// The type of its last parameter by position, which takes the result of the step before in a
    /// [pipeline](crate::composition::Pipeline). [`Untyped`] where it has none.
    type Last;

    /// Everything that a worker and a sender have to know about it.
    const DECLARATION: &'static Declaration;
}

/// What the function of a remote actor asks for, and its type lacks: so it cannot be called.
#[diagnostic::on_unimplemented(
    message = "`{Self}` runs elsewhere and cannot be called",
    label = "declared with `#[actor(remote)]`",
    note = "it can be sent: `{Self}::send(&broker, …)`"
)]
pub trait Callable<'call> {}

/// Everything about an actor, with its types gone.
pub struct Declaration {
    /// Its name on the wire.
    pub name: &'static str,
    /// The queue that its messages go to.
    pub queue: &'static str,
    /// Lower runs first; 0 is the usual one.
    pub priority: i32,
    /// When and how often to retry.
    pub retries: RetryOptions,
    /// Who hears how its runs end.
    pub callbacks: Callbacks,
    /// Whether its results are kept.
    pub results: ResultOptions,
    /// Whether the next step of a pipeline goes without what it returned.
    pub pipe_ignore: bool,
    /// After how many deaths of its workers it is not run again; `None` leaves it to the worker.
    pub max_crashes: Option<u32>,
    /// How long its runs may take, and what else ends them.
    pub limits: LimitOptions,
    /// What its attribute says to middleware of the user's.
    pub options: Options,
    /// What travels, in order.
    pub parameters: &'static [Parameter],
    /// What it takes as state.
    pub states: &'static [Wanted],
    /// Calls it.
    pub entry: Entry,
    /// The first paragraph of its documentation.
    pub about: &'static str,
    /// `file:line` of its function.
    pub place: &'static str,
}

#[cfg(test)]
impl Declaration {
    /// An actor of which nothing is said but its name, for tests that write declarations by hand.
    pub(crate) const fn plain(name: &'static str, entry: Entry) -> Self {
        Self {
            name,
            queue: "default",
            priority: 0,
            retries: RetryOptions { max_retries: None, min_backoff: None, max_backoff: None, on_retry_exhausted: None },
            callbacks: Callbacks { on_success: None, on_failure: None },
            results: ResultOptions { store_results: None, result_ttl: None },
            pipe_ignore: false,
            max_crashes: None,
            limits: LimitOptions { time_limit: None, max_age: None, notify_shutdown: None },
            options: Options::NONE,
            parameters: &[],
            states: &[],
            entry,
            about: "",
            place: "",
        }
    }
}

/// What an actor's attribute says about retries; `None` leaves it to the broker's middleware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOptions {
    /// How many retries at most.
    pub max_retries: Option<MaxRetries>,
    /// The first retry's least wait.
    pub min_backoff: Option<Duration>,
    /// The longest wait.
    pub max_backoff: Option<Duration>,
    /// Hears about the last failure.
    pub on_retry_exhausted: Option<Target>,
}

/// How many retries an actor allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRetries {
    /// So many.
    AtMost(u32),
    /// As many as it takes.
    Unlimited,
}

/// What an actor's attribute says about limits of time; `None` leaves it to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOptions {
    /// How long a run may take.
    pub time_limit: Option<TimeLimit>,
    /// How old a message may be when it is run.
    pub max_age: Option<TimeLimit>,
    /// Whether a run is told that its worker stops.
    pub notify_shutdown: Option<bool>,
}

/// A limit of time that an actor sets, or lifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// So long.
    Of(Duration),
    /// There is none.
    None,
}

impl TimeLimit {
    /// As a time, where there is one.
    #[must_use]
    pub fn time(self) -> Option<Duration> {
        match self {
            Self::Of(time) => Some(time),
            Self::None => None,
        }
    }
}

/// Who hears how an actor's runs end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// Hears what it returned.
    pub on_success: Option<Target>,
    /// Hears of every failed attempt.
    pub on_failure: Option<Target>,
}

/// What an actor's attribute says about results; `None` leaves it to the broker's middleware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultOptions {
    /// Whether they are kept.
    pub store_results: Option<bool>,
    /// How long they are kept.
    pub result_ttl: Option<Duration>,
}

/// An actor that another one names: where to send a message to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its queue.
    pub queue: &'static str,
    /// Its priority.
    pub priority: i32,
}

impl Target {
    /// The target that `A` is.
    #[must_use]
    pub const fn of<A: Actor>() -> Self {
        let Declaration { name, queue, priority, .. } = A::DECLARATION;
        Self { name, queue, priority: *priority }
    }
}

/// A future that owns all it needs.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How to call an actor. A panic passes through; the worker catches it.
#[derive(Clone, Copy)]
pub enum Entry {
    /// A plain function, called on a thread of its own.
    Sync(fn(&Context) -> Outcome),
    /// An `async` function, run as a task.
    Async(fn(Context) -> Running),
    /// Not at all: it runs elsewhere.
    Remote,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync(_) => "Sync",
            Self::Async(_) => "Async",
            Self::Remote => "Remote",
        })
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration").field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Lists actors for a worker: `actors![count_to, send_email]`.
#[macro_export]
macro_rules! actors {
    ($($actor:path),* $(,)?) => {
        &[$(<$actor as $crate::actor::Actor>::DECLARATION),*] as &[&'static $crate::actor::Declaration]
    };
}

pub use crate::actors;
