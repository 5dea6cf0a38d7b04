//! How a worker is checked, begun and waited for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::consumer::{Consumer, Limits, Until};
use super::executor::Executor;
use super::local_queue::LocalQueue;
use super::registry::Registry;
use super::stop::Shutdown;
use super::threads::{self, Threads};
use super::unsupported_options::Warnings;
use super::{MAX_PREFETCH, MAX_THREADS, Worker};
use crate::actor::{Declaration, Entry};
use crate::broker::Broker;
use crate::error::{StoreError, WorkerError};
use crate::outcome::catch;

impl Worker {
    /// Runs until it is stopped. Async actors run on the runtime that this is called in. Dropping the future stops the worker, as
    /// [told there](Worker#lifetimes).
    ///
    /// # Errors
    ///
    /// [`WorkerError`] when something is wrong with the actors or what they need, or when the store cannot be reached at
    /// start. Nothing was fetched then.
    pub async fn run(self) -> Result<Shutdown, WorkerError> {
        self.run_as(Until::Stopped).await
    }

    /// Runs what is ready, and what comes meanwhile, and ends by itself once nothing is ready or runs. What is delayed stays
    /// where it is, and what other workers hold or lies in a paused queue is not waited for. For scripts and tests.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run_until_idle(self) -> Result<Shutdown, WorkerError> {
        self.run_as(Until::Idle).await
    }

    /// Runs everything, retries and what is delayed too, and ends by itself once nothing is left. A manual clock is moved on
    /// to each next due time, so that years of delays take no time; with a real one, they are waited for. What other workers
    /// hold or lies in a paused queue is not waited for.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run_until_done(self) -> Result<Shutdown, WorkerError> {
        self.run_as(Until::Done).await
    }

    async fn run_as(mut self, until: Until) -> Result<Shutdown, WorkerError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let count = |crashes| usize::try_from(crashes).unwrap_or(usize::MAX);
        within("the number of threads", self.threads, 1, MAX_THREADS)?;
        within("the prefetch", self.prefetch.unwrap_or_default(), 0, MAX_PREFETCH)?;
        within("the number of crashes", count(self.max_crashes), 1, count(u32::MAX))?;
        let registry = Registry::new(&self.actors, &self.remote_actors)?;
        let registry = Arc::new(match &self.queues {
            Some(queues) => registry.only(queues)?,
            None => registry,
        });
        if self.states.get::<Broker>().is_none() {
            self.states.add(self.broker.clone())?;
        }
        for actor in &self.actors {
            self.states.check(actor.name, actor.states)?;
        }
        let executor = Executor {
            broker: self.broker.clone(),
            registry: registry.clone(),
            states: Arc::new(self.states),
            log_arguments: self.log_arguments,
            warnings: Warnings::default(),
        };
        let runtime = Handle::try_current().ok();
        let is_async = |actor: &&&Declaration| matches!(actor.entry, Entry::Async(_));
        if let (None, Some(actor)) = (&runtime, self.actors.iter().find(is_async)) {
            return Err(WorkerError::NoRuntime(actor.name));
        }
        let (queue, events) = LocalQueue::new(self.threads, self.prefetch);
        let threads = Threads::new(self.threads, queue.clone(), executor, runtime.clone());
        let dropped = self.stopper.when_dropped();
        let (broker, stopper, is_dropped) = (self.broker.clone(), self.stopper, dropped.flag());
        // What people do when it is ready is none of the consumer's business, which waits for it.
        let (registered, is_registered) = oneshot::channel::<oneshot::Sender<()>>();
        let work = async move {
            let limits = Limits {
                shutdown_timeout: self.shutdown_timeout,
                unknown_actor_timeout: self.unknown_actor_timeout,
                max_crashes: self.max_crashes,
            };
            let consumer = Consumer::register(broker, registry, threads, limits, until).await?;
            let (go_on, may_go_on) = oneshot::channel();
            let is_awaited = registered.send(go_on).is_ok() && may_go_on.await.is_ok();
            if !is_awaited {
                stopper.stop();
            }
            let watching = runtime.map(|runtime| threads::watch(&runtime, queue.events()));
            let outcome = consumer.run(events, stopper).await;
            if let Some(watching) = watching {
                watching.abort();
            }
            if is_dropped.load(Ordering::Relaxed) {
                info!(target: "common::worker", "the worker whose future was dropped has ended: {outcome:?}");
            }
            Ok(outcome)
        };
        let ended = telling(is_registered, self.on_ready, self.broker.at_home(work)).await;
        dropped.disarm();
        ended.map_err(StoreError::from)?
    }
}

/// Refuses what is out of bounds.
fn within(what: &'static str, given: usize, low: usize, high: usize) -> Result<(), WorkerError> {
    if (low..=high).contains(&given) { Ok(()) } else { Err(WorkerError::OutOfBounds { what, given, low, high }) }
}

/// Calls `on_ready` as soon as a worker has registered, while it runs.
async fn telling<T>(
    registered: oneshot::Receiver<oneshot::Sender<()>>,
    mut on_ready: Option<Box<dyn FnOnce() + Send>>,
    work: impl Future<Output = T>,
) -> T {
    let (mut registered, mut work) = (Some(registered), pin!(work));
    poll_fn(|task| {
        if let Some(registering) = &mut registered
            && let Poll::Ready(go_on) = pin!(registering).poll(task)
        {
            registered = None;
            // One that could not register says so by its end.
            if let Ok(go_on) = go_on {
                if let Some(Err(panic)) = on_ready.take().map(catch) {
                    error!(target: "common::worker", "`on_ready` {}; the worker goes on", panic.text);
                }
                let _ = go_on.send(());
            }
        }
        work.as_mut().poll(task)
    })
    .await
}
