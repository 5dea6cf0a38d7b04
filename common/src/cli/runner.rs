//! Runs a worker until it is told to stop.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ArgMatches;

use super::broker_choice::BrokerChoice;
use super::child::{READY, RETIRES};
use super::recycling::Recycling;
use super::signals::Signals;
use super::telemetry::Telemetry;
use super::{App, Failure, commands, output};
use crate::broker::{Broker, BrokerBuilder};
use crate::clock::{Clock, Stopwatch};
use crate::duration::spell;
use crate::worker::{Shutdown, Stopper, Worker};

/// How long to wait before a broker is tried again that does not answer: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a worker may take to end that was told to end at once.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Runs the worker that was asked for.
pub(super) async fn work(app: &App, given: &ArgMatches, mut signals: Signals) -> Result<ExitCode, Failure> {
    let supervised = listen_if_supervised(given, &signals)?;
    let mut recycling = Recycling::of(given)?;
    let telemetry = Telemetry::of(given);
    let broker = tokio::select! {
        biased;
        () = signals.next() => {
            tracing::info!(target: "common::worker", "stopped before it had a broker");
            return Ok(ExitCode::SUCCESS);
        }
        broker = connect(app, given, |builder| telemetry.count(recycling.count(builder))) => broker?,
    };
    let is_ready = Arc::new(AtomicBool::new(false));
    let threads = given.get_one::<u16>(commands::THREADS).expect("it has a default");
    let timeout = given.get_one::<Duration>(commands::SHUTDOWN_TIMEOUT).expect("it has a default");
    let mut worker = app.new_worker(broker.clone()).await?;
    let monitor = worker.monitor();
    tokio::select! {
        biased;
        () = signals.next() => {
            tracing::info!(target: "common::worker", "stopped before it was ready");
            return Ok(ExitCode::SUCCESS);
        }
        started = telemetry.start(&broker, &monitor) => started?,
    }
    drop(broker);
    if let Some(prefetch) = given.get_one::<u16>(commands::PREFETCH) {
        worker = worker.prefetch(usize::from(*prefetch));
    }
    let only: Option<Vec<_>> = given.get_many::<String>(commands::CONSUMED).map(|names| names.cloned().collect());
    if let Some(only) = &only {
        worker = worker.queues(only.clone());
    }
    let worker = worker.threads(usize::from(*threads)).shutdown_timeout(*timeout).log_arguments(true).on_ready({
        let is_ready = is_ready.clone();
        let ready = ready_line(app, *threads, only.as_deref());
        let stops = if supervised { "" } else { "; Ctrl-C stops" };
        move || {
            is_ready.store(true, Ordering::Release);
            tracing::info!(target: "common::worker", "{ready}{stops}");
            if supervised {
                output::pass_on(READY);
            }
        }
    });
    let ended = until_stopped(worker, &is_ready, supervised, &mut recycling, &mut signals).await;
    telemetry.end(&monitor);
    ended
}

/// Runs it until it has ended, or is told to.
async fn until_stopped(
    worker: Worker,
    is_ready: &AtomicBool,
    supervised: bool,
    recycling: &mut Recycling,
    signals: &mut Signals,
) -> Result<ExitCode, Failure> {
    let stopper = worker.stopper();
    let mut run = pin!(worker.run());
    let enough = tokio::select! {
        ended = &mut run => return Ok(code(ended?)),
        () = signals.next() => false,
        why = recycling.enough() => {
            tracing::info!(target: "common::worker", "{why}: another process is to take over");
            true
        }
    };
    if enough && supervised {
        // It goes on until it is told that another one is ready.
        output::pass_on(RETIRES);
        tokio::select! {
            ended = &mut run => return Ok(code(ended?)),
            () = signals.next() => {}
        }
    }
    if is_ready.load(Ordering::Acquire) {
        // A watcher says by itself what its second Ctrl-C does.
        let more = if supervised { "" } else { "; Ctrl-C again requeues running messages" };
        tracing::info!(target: "common::worker", "shutting down: no longer fetching{more}");
        stopper.stop();
        tokio::select! {
            ended = &mut run => return Ok(code(ended?)),
            () = signals.next() => {}
        }
        tracing::warn!(target: "common::worker", "shutting down at once: requeueing running messages");
    } else {
        tracing::info!(target: "common::worker", "shutting down before it is ready");
    }
    end(run, &stopper, signals, is_ready.load(Ordering::Acquire)).await
}

/// Whether a watcher or a supervisor runs this process, which is listened to then.
pub(super) fn listen_if_supervised(given: &ArgMatches, signals: &Signals) -> Result<bool, Failure> {
    let supervised = given.get_flag(commands::SUPERVISED);
    if supervised {
        let listens = signals.listen_to_watcher();
        listens.map_err(|error| Failure::Broken(format!("cannot listen to who started it: {error}")))?;
    }
    Ok(supervised)
}

/// Connects to the broker, and tries again for as long as that was asked for.
async fn connect(
    app: &App,
    given: &ArgMatches,
    more: impl Fn(BrokerBuilder) -> BrokerBuilder,
) -> Result<Broker, Failure> {
    let choice = BrokerChoice::of(given)?;
    let patience = given.get_one::<Duration>(commands::WAIT_FOR_BROKER).copied().unwrap_or_default();
    let (clock, waited) = (Clock::system(), Stopwatch::start());
    let mut pause = FIRST_PAUSE;
    loop {
        match choice.connect(app, &more).await {
            Err(Failure::Unreachable(why)) if waited.elapsed() < patience => {
                let left = patience.saturating_sub(waited.elapsed());
                let why = why.lines().next().unwrap_or_default().to_owned();
                tracing::warn!(target: "common::worker", "{why}; trying again, for {}", spell(left));
                clock.sleep(pause.min(left)).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            ended => return ended,
        }
    }
}

/// Ends a run at once; it gets a moment to requeue what it holds, unless a further signal comes.
async fn end<E: Into<Failure>>(
    run: Pin<&mut impl Future<Output = Result<Shutdown, E>>>,
    stopper: &Stopper,
    signals: &mut Signals,
    was_ready: bool,
) -> Result<ExitCode, Failure> {
    stopper.stop_now();
    let clock = Clock::system();
    tokio::select! {
        ended = run => ended.map(code).map_err(Into::into),
        () = signals.next() => Ok(code(Shutdown::Forced)),
        () = clock.sleep(PATIENCE) => {
            if was_ready {
                tracing::warn!(target: "common::worker", "it does not end; what it may have claimed is taken over once others find this worker dead");
                return Ok(ExitCode::FAILURE);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The exit code of a worker that ended so, which it also says.
pub(super) fn code(shutdown: Shutdown) -> ExitCode {
    match shutdown {
        Shutdown::Clean => {
            tracing::info!(target: "common::worker", "stopped: running messages finished, prefetched ones requeued");
            ExitCode::SUCCESS
        }
        Shutdown::Forced => {
            tracing::warn!(target: "common::worker", "stopped: running messages were requeued; they run again, unless they were cancelled");
            ExitCode::FAILURE
        }
        Shutdown::Stuck => {
            tracing::error!(target: "common::worker", "stopped: every slot had a run that does not end; their messages have failed, and a new worker begins anew");
            ExitCode::FAILURE
        }
        Shutdown::Unreachable => {
            tracing::warn!(target: "common::worker", "stopped: the broker does not answer; what this worker had claimed is taken over once others find it dead");
            ExitCode::FAILURE
        }
    }
}

/// What a worker says that is ready: which actors of which queues, or of `only` these, and how many slots.
pub(super) fn ready_line(app: &App, threads: u16, only: Option<&[String]>) -> String {
    let mut queues: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let is_consumed = |queue: &str| only.is_none_or(|only| only.iter().any(|name| name == queue));
    for actor in app.actors.iter().filter(|actor| is_consumed(actor.queue)) {
        queues.entry(actor.queue).or_default().push(actor.name);
    }
    let queues: Vec<_> =
        queues.into_iter().map(|(queue, names)| format!("{} on queue {queue}", names.join(", "))).collect();
    let plural = if threads == 1 { "" } else { "s" };
    format!("ready: {}; {threads} slot{plural}", queues.join(", "))
}
