//! How a worker is checked, begun and waited for.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::consumer::{Consumer, Limits, Until};
use super::executor::Executor;
use super::local_queue::LocalQueue;
use super::registry::Registry;
use super::running::{News, RunningWorker};
use super::stop::{Dropped, Shutdown};
use super::threads::{self, Threads};
use super::unsupported_options::Warnings;
use super::{MAX_PREFETCH, MAX_THREADS, OnReady, Worker};
use crate::actor::{Declaration, Entry};
use crate::broker::Broker;
use crate::error::WorkerError;
use crate::outcome::{catch, remember_places};

impl Worker {
    /// Runs until it is stopped. Async actors run on the runtime that this is called in. Dropping the future stops the worker, as
    /// [told there](Worker#lifetimes).
    ///
    /// The first worker of a process adds to its panic hook, which notes where an actor panics
    /// ([`Failure::place`](crate::outcome::Failure::place)) and does what it did before.
    ///
    /// # Errors
    ///
    /// [`WorkerError`] when something is wrong with the actors or what they need, or when the store cannot be reached at
    /// start. Nothing was fetched then.
    pub async fn run(self) -> Result<Shutdown, WorkerError> {
        self.run_as(Until::Stopped).await
    }

    /// Runs until `end` is done, then stops as [`Stopper::stop`](super::Stopper::stop) says, and tells how it ended. Nobody looks at
    /// what `end` gives: `run_until(tokio::signal::ctrl_c())` will do.
    ///
    /// ```no_run
    /// # use common::{Worker, worker::Shutdown, error::WorkerError};
    /// # async fn example(worker: Worker, asked_to_stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
    /// match worker.run_until(asked_to_stop).await? {
    ///     Shutdown::Clean => println!("everything that ran has ended"),
    ///     other => println!("something runs once more: {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Worker::run`].
    pub async fn run_until(self, end: impl Future) -> Result<Shutdown, WorkerError> {
        let stopper = self.stopper();
        let (mut end, mut run) = (pin!(end), pin!(self.run()));
        let mut is_over = false;
        poll_fn(|task| {
            if !is_over && end.as_mut().poll(task).is_ready() {
                is_over = true;
                stopper.stop();
            }
            run.as_mut().poll(task)
        })
        .await
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

    /// Starts the worker, and goes on: for a program that does something else beside, a web server perhaps.
    ///
    /// Async actors run on the runtime that this is called in; where there is none, sync ones run. What is wrong is told by
    /// [`RunningWorker::ready`] and [`RunningWorker::join`], and in the log.
    ///
    /// ```
    /// # use common::{Broker, Worker, actor, actors};
    /// # #[actor]
    /// # fn greet(name: String) {}
    /// # async fn serve(broker: Broker) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = Broker::connect("memory:").await?;
    /// let worker = Worker::new(broker.clone()).actors(actors![greet]).start();
    /// worker.ready().await?;
    /// serve(broker).await;
    /// worker.stop();
    /// worker.join().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(self) -> RunningWorker {
        let broker = self.broker.clone();
        let (running, news) = RunningWorker::new(broker.clone(), self.stopper.clone());
        let is_here = broker.io_thread().check().map_err(WorkerError::from);
        match is_here.and_then(|()| self.prepare(Until::Stopped, news.dropped())) {
            Ok(prepared) => broker.io_thread().begin(run_beside(prepared, news)),
            Err(error) => news.ended(Err(error)),
        }
        running
    }

    async fn run_as(self, until: Until) -> Result<Shutdown, WorkerError> {
        let (broker, stops) = (self.broker.clone(), self.stopper.when_dropped("future"));
        let dropped = stops.watch();
        let ended = match self.prepare(until, dropped.clone()) {
            Ok(Prepared { registered, on_ready, work, .. }) => {
                report_ready(registered, on_ready, broker.on_io_thread(work))
                    .await
                    .unwrap_or_else(|forked| Err(forked.into()))
            }
            Err(error) => Err(error),
        };
        dropped.settle();
        ended
    }

    /// Checks everything that can be checked before the first message.
    fn prepare(mut self, until: Until, dropped: Dropped) -> Result<Prepared, WorkerError> {
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
        let observers = &self.broker.settings().observers;
        let executor = Executor {
            broker: self.broker.clone(),
            registry: registry.clone(),
            states: Arc::new(self.states),
            log_arguments: self.log_arguments,
            warnings: Warnings::default(),
            is_observed: !observers.is_empty(),
            reports_messages: observers.iter().any(|observer| catch(|| observer.wants_messages()).unwrap_or(true)),
        };
        remember_places();
        let runtime = Handle::try_current().ok();
        let is_async = |actor: &&&Declaration| matches!(actor.entry, Entry::Async(_));
        if let (None, Some(actor)) = (&runtime, self.actors.iter().find(is_async)) {
            return Err(WorkerError::NoRuntime(actor.name));
        }
        let limits = Limits {
            shutdown_timeout: self.shutdown_timeout,
            unknown_actor_timeout: self.unknown_actor_timeout,
            max_crashes: self.max_crashes,
        };
        let (queue, events) = LocalQueue::new(self.threads, self.prefetch);
        let threads = Threads::new(self.threads, queue.clone(), executor, runtime.clone());
        let (broker, stopper, monitor, actors_run_on) = (self.broker, self.stopper, self.monitor, runtime.clone());
        // What people do when it is ready is none of the consumer's business, which waits for it.
        let (tell, registered) = oneshot::channel::<oneshot::Sender<()>>();
        let work = Box::pin(async move {
            let (consumer, reactions) = Consumer::register(broker, registry, threads, limits, until, monitor).await?;
            let (go_on, may_go_on) = oneshot::channel();
            let is_awaited = tell.send(go_on).is_ok() && may_go_on.await.is_ok();
            if !is_awaited {
                stopper.stop();
            }
            let watching = actors_run_on.map(|runtime| threads::watch(&runtime, queue.events()));
            let outcome = consumer.run(reactions, events, stopper).await;
            if let Some(watching) = watching {
                watching.abort();
            }
            if let Some(what) = dropped.settle() {
                info!(target: "common::worker", "the worker whose {what} was dropped has ended: {outcome:?}");
            }
            Ok(outcome)
        });
        Ok(Prepared { registered, on_ready: self.on_ready, runtime, work })
    }
}

/// A worker that may begin.
struct Prepared {
    /// Told once it is registered; it goes on when that is answered.
    registered: oneshot::Receiver<oneshot::Sender<()>>,
    on_ready: Option<OnReady>,
    /// Where async actors run.
    runtime: Option<Handle>,
    /// Its whole life, for the I/O thread.
    work: Pin<Box<dyn Future<Output = Result<Shutdown, WorkerError>> + Send>>,
}

/// Runs a worker that nobody need wait for, on the I/O thread.
async fn run_beside(worker: Prepared, news: News) {
    let Prepared { registered, on_ready, runtime, work } = worker;
    let get_ready = async {
        // One that could not register says so by its end.
        let Ok(go_on) = registered.await else { return };
        if let Some(on_ready) = on_ready.filter(|_| !news.dropped().is_settled()) {
            call_elsewhere(on_ready, runtime).await;
        }
        news.ready();
        let _ = go_on.send(());
    };
    let ((), ended) = tokio::join!(get_ready, work);
    news.ended(ended);
}

/// Refuses what is out of bounds.
fn within(what: &'static str, given: usize, low: usize, high: usize) -> Result<(), WorkerError> {
    if (low..=high).contains(&given) { Ok(()) } else { Err(WorkerError::OutOfBounds { what, given, low, high }) }
}

fn call(on_ready: OnReady) {
    if let Err(panic) = catch(on_ready) {
        error!(target: "common::worker", "`on_ready` {}; the worker goes on", panic.text);
    }
}

/// Calls `on_ready` where it may block, inside of the runtime of the worker's actors.
async fn call_elsewhere(on_ready: OnReady, runtime: Option<Handle>) {
    let called = tokio::task::spawn_blocking(move || {
        let _inside = runtime.as_ref().map(Handle::enter);
        call(on_ready);
    });
    // Its panic was caught.
    let _ = called.await;
}

/// Calls `on_ready` as soon as a worker has registered, while it runs.
async fn report_ready<T>(
    registered: oneshot::Receiver<oneshot::Sender<()>>,
    mut on_ready: Option<OnReady>,
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
                if let Some(on_ready) = on_ready.take() {
                    call(on_ready);
                }
                let _ = go_on.send(());
            }
        }
        work.as_mut().poll(task)
    })
    .await
}
