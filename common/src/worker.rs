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
//! * `worker.rs` (here): what people put together.
//! * `run`: checks everything that can be checked before the first message, and waits for the end; `running`: what people hold of
//!   a worker that was started beside.
//! * `job`: a message on its way to a slot; `ended`: what is left of it; `event`: what the consumer is told, and by which calls.
//! * `consumer`: the loop on the I/O thread. It reacts to one event after the other and never waits inside of one.
//! * `local_queue`: what slots pull from, under one lock; `quarantine`: which messages that workers died with may run side by side.
//! * `executor`: how one message is run, step by step.
//! * `unsupported_options`: what a message asks for that is not done here.
//! * `threads`: where a slot's runs happen.
//! * `stop`: how a worker is told to end.

mod consumer;
mod ended;
mod event;
mod executor;
mod job;
mod local_queue;
mod monitor;
mod prefetch;
mod quarantine;
mod registry;
mod run;
mod running;
mod stop;
mod threads;
mod unsupported_options;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::time::Duration;

pub use self::local_queue::CurrentRun;
pub use self::monitor::Monitor;
pub use self::running::RunningWorker;
pub use self::stop::{Shutdown, Stopper};
use crate::actor::{Declaration, States};
use crate::broker::Broker;
use crate::error::WorkerError;
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

/// What is called once a worker is ready.
type OnReady = Box<dyn FnOnce() + Send>;

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
/// Once [`Worker::run`] is awaited, or [`Worker::start`] called, the worker's loop lives on its broker's thread, sync actors on threads of their own, and async
/// ones on the runtime in which that was done.
///
/// | what happens | what becomes of it |
/// | --- | --- |
/// | [`Stopper::stop`] | it no longer fetches, requeues at once and in order what has not started, lets end what runs, deregisters |
/// | [`Stopper::stop_now`] | it requeues what runs, too |
/// | the future of `run` is dropped: `select!`, a timeout, an aborted task | the same as [`Stopper::stop`]: what runs may end, and counts, for as long as the shutdown timeout says; the log says that it was dropped, and when it has ended |
/// | the [handle](RunningWorker) of `start` is dropped, or the future of its `join` | the same |
/// | the runtime ends in which `run` or `start` was called | async runs are dropped in the middle and requeued, sync ones may end; the worker stops |
/// | every other clone of its broker is dropped | nothing: it has one of its own, and the broker's thread ends after it |
/// | `run` or `start` is called outside of tokio | sync actors run; with an async one it fails with [`WorkerError::NoRuntime`] |
/// | several workers run on one broker, in one runtime or several | each runs its async actors where its own `run` or `start` was called |
/// | the process forks | the worker is the parent's; `run` in the child, with a broker of before, fails with [`Forked`](crate::error::Forked) |
/// | the process ends | whoever returns from `main` while a worker still stops has killed it: others take over within 5 s. To wait for its end, stop it with a [`Stopper`], and await `run`, or `join` |
pub struct Worker {
    broker: Broker,
    actors: Vec<&'static Declaration>,
    remote_actors: Vec<&'static Declaration>,
    /// Which of its actors' queues it consumes; `None` for all of them.
    queues: Option<Vec<String>>,
    states: States,
    /// What went wrong while the worker was put together; told at start, so that building it stays a chain.
    mistake: Option<WorkerError>,
    threads: usize,
    prefetch: Option<usize>,
    shutdown_timeout: Duration,
    unknown_actor_timeout: Duration,
    max_crashes: u32,
    log_arguments: bool,
    on_ready: Option<OnReady>,
    stopper: Stopper,
    monitor: Monitor,
}

impl Worker {
    /// A worker on a broker, without any actors yet.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        Self {
            broker,
            actors: Vec::new(),
            remote_actors: Vec::new(),
            queues: None,
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
            monitor: Monitor::default(),
        }
    }

    /// What looks at the worker while it runs: who it is, whether it beats and fetches, and what it runs.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Adds actors; the worker consumes their queues, unless it is told [which of them](Worker::queues).
    #[must_use]
    pub fn actors(mut self, actors: &[&'static Declaration]) -> Self {
        self.actors.extend_from_slice(actors);
        self
    }

    /// Consumes only these of its actors' queues, and leaves the others to other workers: one program with all actors runs as
    /// several workers, some of which have time for what is urgent only. Called again, it adds to them.
    ///
    /// A name that is no queue of its actors is refused at start ([`WorkerError::UnknownQueue`]), and so is an empty list.
    ///
    /// # Source
    ///
    /// dramatiq 2.2, the option `--queues` of its command line.
    #[must_use]
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues.get_or_insert_default().extend(queues.into_iter().map(Into::into));
        self
    }

    /// Makes actors known that other workers run, in Python perhaps: messages name callbacks by their names only, and this
    /// tells on which queue they are. `#[actor(remote)]` declares such actors.
    #[must_use]
    pub fn remote_actors(mut self, actors: &[&'static Declaration]) -> Self {
        self.remote_actors.extend_from_slice(actors);
        self
    }

    /// Lends a value to every actor that takes a `&T` of exactly this type.
    ///
    /// An actor that takes a `&Broker` gets the worker's own without this. One that is added here goes before it: for actors that
    /// send to another place than their messages come from.
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
    ///
    /// While one of its runs waits for what others do (for a result or an outcome, at a barrier, for a limit), nothing waits behind it: what
    /// was fetched and has not started goes back to the head of its queue at once, and no more is fetched than there are free slots. This is
    /// known of what waits in the run's own thread or future, not of threads and tasks that an actor starts.
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
    /// worker. Of one that was [started](Worker::start), on a thread that may wait; [`RunningWorker::ready`] comes after it.
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
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("actors", &self.actors).field("threads", &self.threads).finish_non_exhaustive()
    }
}
