//! Runs actors.
//!
//! ```text
//!  I/O thread                               slots 1 to N
//!  ----                                     ------------
//!  Consumer   waits, fetches, finishes, beats
//!    │ deliveries                  LocalQueue
//!    └────────► one queue, ordered by (priority, arrival) ──► a free slot takes the first
//!    ┌───────── one list of completions ◄──────────────────────── a run leaves its completion, and takes the next
//!    └ finish: one batch a call
//! ```
//!
//! * `worker.rs` (here): what people hold; checks everything that can be checked before the first message.
//! * `job`: a message on its way to a slot; `event`: what the consumer is told, and by which calls.
//! * `consumer`: the loop on the I/O thread. It reacts to one event after the other and never waits inside of one.
//! * `local_queue`: what slots pull from, under one lock; `quarantine`: which messages that workers died with may run side by side.
//! * `executor`: how one message is run, step by step.
//! * `unsupported_options`: what a message asks for that is not done here.
//! * `threads`: where a slot's runs happen.
//! * `stop`: how a worker is told to end.

mod consumer;
mod event;
mod executor;
mod job;
mod local_queue;
mod prefetch;
mod quarantine;
mod registry;
mod stop;
mod threads;
mod unsupported_options;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{error, info};

use self::consumer::{Consumer, Limits, Until};
use self::executor::Executor;
use self::local_queue::LocalQueue;
use self::registry::Registry;
pub use self::stop::{Shutdown, Stopper};
use self::threads::Threads;
use self::unsupported_options::Warnings;
use crate::actor::{Declaration, Entry, States};
use crate::broker::Broker;
use crate::error::{StoreError, WorkerError};
use crate::outcome::catch;
use crate::store::MAX_CRASHES;

/// The slots of a worker that is told nothing else.
pub const DEFAULT_THREADS: usize = 8;

/// The most slots that a worker may have.
pub const MAX_THREADS: usize = 10_000;

/// The most messages that may wait in a worker.
pub const MAX_PREFETCH: usize = 10_000;

/// How long a worker that stops waits for what runs, unless it is told otherwise.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(600);

/// How long messages of an unknown actor wait for a worker that knows it, unless a worker is told otherwise.
pub const DEFAULT_UNKNOWN_ACTOR_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A worker, before it runs.
///
/// ```no_run
/// # use common::{broker::Broker, worker::Worker, actor::Declaration};
/// # async fn example(broker: Broker, actors: &[&'static Declaration]) -> Result<(), Box<dyn std::error::Error>> {
/// Worker::new(broker).threads(4).actors(actors).run().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Lifetimes
///
/// Once [`Worker::run`] is awaited, the worker's loop lives on its broker's thread, sync actors on threads of their own, and async
/// ones on the runtime in which that was called.
///
/// | what happens | what becomes of it |
/// | --- | --- |
/// | [`Stopper::stop`] | it no longer fetches, requeues at once and in order what has not started, lets end what runs, deregisters |
/// | [`Stopper::stop_now`] | it requeues what runs, too |
/// | the future of `run` is dropped: `select!`, a timeout, an aborted task | the same as [`Stopper::stop`]: what runs may end, and counts, for as long as the shutdown timeout says; the log says that it was dropped, and when it has ended |
/// | the runtime ends in which `run` was called | async runs are dropped in the middle and requeued, sync ones may end; the worker stops |
/// | every other clone of its broker is dropped | nothing: it has one of its own, and the broker's thread ends after it |
/// | `run` is called outside of tokio | sync actors run; with an async one it fails with [`WorkerError::NoRuntime`] |
/// | several workers run on one broker, in one runtime or several | each runs its async actors where its own `run` was called |
/// | the process forks | the worker is the parent's; `run` in the child, with a broker of before, fails with [`Forked`](crate::error::Forked) |
/// | the process ends | whoever returns from `main` while a worker still stops has killed it: others take over within 5 s. To wait for its end, stop it with a [`Stopper`], and await `run` |
pub struct Worker {
    broker: Broker,
    actors: Vec<&'static Declaration>,
    remote_actors: Vec<&'static Declaration>,
    states: States,
    /// What went wrong while the worker was put together; told at start, so that building it stays a chain.
    mistake: Option<WorkerError>,
    threads: usize,
    prefetch: Option<usize>,
    shutdown_timeout: Duration,
    unknown_actor_timeout: Duration,
    max_crashes: u32,
    log_arguments: bool,
    on_ready: Option<Box<dyn FnOnce() + Send>>,
    stopper: Stopper,
}

impl Worker {
    /// A worker on a broker, without any actors yet.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        Self {
            broker,
            actors: Vec::new(),
            remote_actors: Vec::new(),
            states: States::default(),
            mistake: None,
            threads: DEFAULT_THREADS,
            prefetch: None,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            unknown_actor_timeout: DEFAULT_UNKNOWN_ACTOR_TIMEOUT,
            max_crashes: MAX_CRASHES,
            log_arguments: false,
            on_ready: None,
            stopper: Stopper::new(),
        }
    }

    /// Adds actors; the worker consumes their queues.
    #[must_use]
    pub fn actors(mut self, actors: &[&'static Declaration]) -> Self {
        self.actors.extend_from_slice(actors);
        self
    }

    /// Makes actors known that other workers run, in Python perhaps: messages name callbacks by their names only, and this
    /// tells on which queue they are.
    #[must_use]
    pub fn remote_actors(mut self, actors: &[&'static Declaration]) -> Self {
        self.remote_actors.extend_from_slice(actors);
        self
    }

    /// Lends a value to every actor that takes a `&T` of exactly this type.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(mut self, value: T) -> Self {
        if let Err(mistake) = self.states.add(value) {
            self.mistake.get_or_insert(mistake);
        }
        self
    }

    /// How many messages run at once, sync and async ones together; 8 unless told otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many messages may wait in this worker until a slot is free, beside those that run; 10,000 at most. Meanwhile no other
    /// worker can run them, and what is sent later with a higher priority runs after those that wait here.
    ///
    /// Unless it is told a number, a worker decides from how long its last runs took: 512 while most take less than 1 ms, 256 up to
    /// 10 ms, two a slot up to 100 ms, and none beyond that, when they would only wait beside free slots of others. What waits when
    /// runs turn out to be long goes back with the next beat, in about a second.
    #[must_use]
    pub fn prefetch(mut self, messages: usize) -> Self {
        self.prefetch = Some(messages);
        self
    }

    /// How long a worker that is to stop waits: for what runs, and for the store to take the ends of it. 10 minutes unless told
    /// otherwise. Of a store that is away it waits for no more than that: what has not started comes back by itself.
    ///
    /// What stops the process has a patience of its own: 10 s for `docker stop`, 30 s for Kubernetes
    /// (`terminationGracePeriodSeconds`), 90 s for systemd (`TimeoutStopSec`); then it kills. Whatever runs at that moment
    /// runs again, and that its worker died counts against it ([`Worker::max_crashes`]): a long run that every deploy kills
    /// dies of the deploys. So set theirs longer than this, and this longer than the longest run; or, where that is impossible,
    /// this shorter than theirs: then what still runs is requeued in time, and counts nothing.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// How long messages whose actor this worker does not know wait for one that does; a day unless told otherwise. Then they
    /// are dead letters. Until then they are requeued, for longer and longer, and nothing of it counts: in a rolling deploy,
    /// old workers meet messages of new actors, and new ones those of old actors.
    #[must_use]
    pub fn unknown_actor_timeout(mut self, timeout: Duration) -> Self {
        self.unknown_actor_timeout = timeout;
        self
    }

    /// After how many deaths of its workers a message is not run again, where its actor does not say
    /// (`#[actor(max_crashes = 3)]`); [`MAX_CRASHES`] unless told otherwise.
    ///
    /// Only what was running when its worker died is blamed, and the first death never counts, because nobody knows who
    /// caused it: [`store`](crate::store#deaths). A message that has reached the limit becomes a dead letter, and an ERROR in
    /// the log of the worker that finds it tells its story; it can be requeued once its cause is mended.
    #[must_use]
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.max_crashes = crashes;
        self
    }

    /// Shows arguments in the log. Off unless asked for: they may hold secrets.
    #[must_use]
    pub fn log_arguments(mut self, show: bool) -> Self {
        self.log_arguments = show;
        self
    }

    /// Called once the worker is registered and about to fetch for the first time, which waits for it; in the task that awaits the
    /// worker.
    #[must_use]
    pub fn on_ready(mut self, ready: impl FnOnce() + Send + 'static) -> Self {
        self.on_ready = Some(Box::new(ready));
        self
    }

    /// What stops this worker, from anywhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The broker that it takes messages from.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Runs until it is stopped. Async actors run on the runtime that this is called in. Dropping the future stops the worker, as
    /// [told above](Worker#lifetimes).
    ///
    /// # Errors
    ///
    /// [`WorkerError`] when something is wrong with the actors or what they need, or when the store cannot be reached at
    /// start. Nothing was fetched then.
    pub async fn run(self) -> Result<Shutdown, WorkerError> {
        self.run_until(Until::Stopped).await
    }

    /// Runs what is ready, and what comes meanwhile, and ends by itself once nothing is ready or runs. What is delayed stays
    /// where it is, and what other workers hold or lies in a paused queue is not waited for. For scripts and tests.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run_until_idle(self) -> Result<Shutdown, WorkerError> {
        self.run_until(Until::Idle).await
    }

    /// Runs everything, retries and what is delayed too, and ends by itself once nothing is left. A manual clock is moved on
    /// to each next due time, so that years of delays take no time; with a real one, they are waited for. What other workers
    /// hold or lies in a paused queue is not waited for.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run_until_done(self) -> Result<Shutdown, WorkerError> {
        self.run_until(Until::Done).await
    }

    async fn run_until(self, until: Until) -> Result<Shutdown, WorkerError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let count = |crashes| usize::try_from(crashes).unwrap_or(usize::MAX);
        within("the number of threads", self.threads, 1, MAX_THREADS)?;
        within("the prefetch", self.prefetch.unwrap_or_default(), 0, MAX_PREFETCH)?;
        within("the number of crashes", count(self.max_crashes), 1, count(u32::MAX))?;
        let registry = Arc::new(Registry::new(&self.actors, &self.remote_actors)?);
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

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("actors", &self.actors).field("threads", &self.threads).finish_non_exhaustive()
    }
}
