//! How a broker is put together.

use std::io;
use std::sync::Arc;

use super::{Broker, IoThread, NAMESPACE};
use crate::clock::Clock;
use crate::message::Message;
use crate::middleware::{Middleware, Results, Retries, RunLimits};
use crate::observe::Observer;
use crate::outcome::{bounded, catch};
use crate::store::Inspect;

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
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
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
        Self { namespace: None, clock: Clock::system(), settings: Settings::default() }
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
    /// is only shown to people.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn on_store(self, store: impl Inspect + 'static) -> io::Result<Broker> {
        Ok(self.on(Arc::new(store), NAMESPACE, IoThread::start()?))
    }

    /// A broker on a store, whose calls run on `io_thread`; `namespace` is its, unless the builder was told another one.
    pub(crate) fn on(self, store: Arc<dyn Inspect>, namespace: &str, io_thread: IoThread) -> Broker {
        let namespace = self.namespace.unwrap_or_else(|| namespace.to_owned());
        Broker::new(store, namespace, self.clock, self.settings, io_thread)
    }
}
