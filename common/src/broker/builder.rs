//! How a broker is put together.

use std::sync::Arc;
use std::{fmt, io};

use super::{Broker, IoThread, NAMESPACE};
use crate::clock::Clock;
use crate::message::Message;
use crate::middleware::{Middleware, Results, Retries, RunLimits};
use crate::observe::Observer;
use crate::outcome::{bounded, catch};
use crate::store::Inspect;
use crate::url::without_password;

/// What a broker is to be like, before it is connected.
///
/// ```no_run
/// # async fn example() -> Result<(), common::error::ConnectError> {
/// use common::broker::Broker;
/// use common::middleware::Retries;
///
/// let retries = Retries { max_retries: Some(5), ..Retries::default() };
/// let broker = Broker::builder().retries(retries).connect("redis://localhost:6379").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct BrokerBuilder {
    pub(crate) namespace: Option<String>,
    pub(crate) results_at: Option<Url>,
    pub(crate) groups_at: Option<Url>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
}

/// A URL, whose debug form shows no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

/// What a broker does with messages.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) retries: Retries,
    pub(crate) results: Results,
    pub(crate) limits: RunLimits,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
}

impl Settings {
    /// Runs the hooks of a message that is about to be stored.
    ///
    /// # Errors
    ///
    /// Which middleware refuses it or panicked, and with what words.
    pub(crate) fn before_enqueue(&self, message: &mut Message) -> Result<(), (&'static str, String)> {
        for middleware in &self.middleware {
            let failed = |cause| (middleware.name(), cause);
            catch(|| middleware.before_enqueue(message))
                .map_err(|panic| failed(panic.text))?
                .map_err(|error| failed(bounded(format_args!("refuses it: {error}"))))?;
        }
        Ok(())
    }
}

impl BrokerBuilder {
    pub(super) fn new() -> Self {
        Self {
            namespace: None,
            results_at: None,
            groups_at: None,
            clock: Clock::system(),
            settings: Settings::default(),
        }
    }

    /// What sets its queues apart from others in the same place; goes before one that the URL names. [`NAMESPACE`] unless told
    /// otherwise.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Where all of its times come from; the system's clock unless told otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How failed messages are tried again, where neither message nor actor says.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.settings.retries = retries;
        self
    }

    /// How long runs may take, and how old messages may be, where neither message nor actor says.
    pub fn run_limits(mut self, limits: RunLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Which results are kept, and for how long, where neither message nor actor says.
    pub fn results(mut self, results: Results) -> Self {
        self.settings.results = results;
        self
    }

    /// Keeps results at another [URL](Broker::connect) than the queues, as dramatiq's `RedisBackend(url=…)` may: another database of
    /// the same Redis, another server, a file. Whoever reads them says the same, in either language. A namespace that the URL
    /// names counts there alone; the broker's own does otherwise.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), common::error::ConnectError> {
    /// # use common::broker::Broker;
    /// let broker = Broker::builder().results_at("redis://localhost/1").connect("redis://localhost/0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What that costs: a result is not written in the same step as its message is acknowledged, but before that. A message is
    /// never acknowledged without its result: while the other place is away, the ends of runs that keep one wait, and a worker that
    /// holds back a thousand of them fetches nothing more. But a result may be there of a run whose message is not acknowledged: its
    /// worker died just then, or had lost its claim. The message runs again, and its result is written anew.
    ///
    /// Where it is the URL that the broker itself is connected to, everything stays in one step.
    pub fn results_at(mut self, url: &str) -> Self {
        self.results_at = Some(Url(url.to_owned()));
        self
    }

    /// Counts the members of groups at another [URL](Broker::connect) than the queues, as dramatiq's `GroupCallbacks(RedisBackend(url=…))`
    /// may. Whoever sends members or runs them says the same, in either language.
    ///
    /// What that costs: a member is not counted in the same step as it is acknowledged, but before that. A member with a number still
    /// counts once, and what comes after a group is never lost; but it is sent at least once, and no longer exactly once: where the
    /// worker of the last member dies between count and acknowledgement, that member runs again, and what comes after its group is
    /// sent again. Members of groups that Python made have no number: such a one then counts twice, as it does in Python.
    pub fn groups_at(mut self, url: &str) -> Self {
        self.groups_at = Some(Url(url.to_owned()));
        self
    }

    /// Adds middleware. All hooks run in the order in which their middleware was added.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.settings.middleware.push(Arc::new(middleware));
        self
    }

    /// Adds an observer: the workers of this broker tell it how messages end.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.settings.observers.push(Arc::new(observer));
        self
    }

    /// A broker on a store of your own, which has to follow the same clock and has its own way to keep namespaces apart: this one's
    /// is only shown to people. To have results or groups elsewhere, give it a [`SplitStore`](crate::stores::split::SplitStore).
    ///
    /// # Errors
    ///
    /// When the system has no thread left; or where results or groups are to be at a URL, which only
    /// [`connect`](BrokerBuilder::connect) can open.
    pub fn on_store(self, store: impl Inspect + 'static) -> io::Result<Broker> {
        if self.results_at.is_some() || self.groups_at.is_some() {
            let why = "`results_at` and `groups_at` need `connect`; on a store of your own, use a `SplitStore`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(self.on(Arc::new(store), NAMESPACE, IoThread::start()?))
    }

    /// A broker on a store, whose calls run on `io_thread`; `namespace` is its, unless the builder was told another one.
    pub(crate) fn on(self, store: Arc<dyn Inspect>, namespace: &str, io_thread: IoThread) -> Broker {
        let namespace = self.namespace.unwrap_or_else(|| namespace.to_owned());
        Broker::new(store, namespace, self.clock, self.settings, io_thread)
    }
}
