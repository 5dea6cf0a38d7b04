//! How one message is run.
//!
//! Decode its arguments, call its actor, and turn what comes back into a [`Completion`](crate::store::Completion), all inside of one
//! span that gives every line its slot, message and actor.

mod ends;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tracing::{Instrument, Span, debug, info, info_span, warn};

use self::ends::Source;
use super::ended::Ended;
use super::job::Job;
use super::local_queue::Stuck;
use super::registry::Registry;
use super::unsupported_options::Warnings;
use crate::actor::{Cancellation, Cause, Context, Declaration, Entry, States};
use crate::broker::Broker;
use crate::clock::Stopwatch;
use crate::duration::{Took, spell};
use crate::message::{Message, option};
use crate::middleware::{Decision, HookError, Middleware, Run, callbacks, groups, pipelines};
use crate::outcome::{Failure, Outcome, bounded, catch, catch_async};
use crate::store::{Claim, Completion, Disposition};

/// From here on nobody counts the milliseconds of a lag.
const LONG_LAG: Duration = Duration::from_secs(10);

/// What a slot has done with a message.
enum Done {
    Ran(Outcome),
    /// It waits for so long, because somebody says so.
    PutOff(Duration, PutOff),
    /// It was dropped, since its worker stops.
    Stopped,
}

/// Why a message waits as it is, and no retry is spent.
enum PutOff {
    /// This middleware says so.
    By(&'static str),
    /// Its actor says so, with these words.
    ByItself(String),
}

/// Runs messages; the same for all slots.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) broker: Broker,
    pub(super) registry: Arc<Registry>,
    pub(super) states: Arc<States>,
    pub(super) log_arguments: bool,
    pub(super) warnings: Warnings,
    /// Whether somebody hears of what has ended.
    pub(super) is_observed: bool,
    /// Whether that is to have the message.
    pub(super) reports_messages: bool,
}

impl Executor {
    /// Runs a sync actor on this thread.
    pub(super) fn run(&self, slot: usize, job: Job) -> Ended {
        let span = self.span(slot, &job.claim, &job.message, job.actor);
        span.in_scope(|| {
            let started = self.started(slot, &job);
            let (took, done) = match self.before(&started, &job) {
                Err(done) => (Duration::ZERO, done),
                Ok(context) => {
                    let watch = Stopwatch::start();
                    let outcome = call(&started, &self.broker.settings().middleware, &context);
                    (watch.elapsed(), Done::Ran(outcome))
                }
            };
            self.after(started, &job, done, took)
        })
    }

    /// Runs an async actor in this task.
    pub(super) async fn run_async(&self, slot: usize, job: Job) -> Ended {
        let span = self.span(slot, &job.claim, &job.message, job.actor);
        async {
            let started = self.started(slot, &job);
            let (took, done) = match self.before(&started, &job) {
                Err(done) => (Duration::ZERO, done),
                Ok(context) => {
                    let watch = Stopwatch::start();
                    let outcome =
                        call_async(&started, &self.broker.settings().middleware, context, &job.cancellation).await;
                    (watch.elapsed(), outcome.map_or_else(|| dropped(&job), Done::Ran))
                }
            };
            self.after(started, &job, done, took)
        }
        .instrument(span)
        .await
    }

    /// Ends a message whose run is stuck, on a thread that may wait: hooks are code of users.
    pub(super) fn time_out(&self, stuck: &Stuck) -> Ended {
        let Stuck { slot, claim, message, actor, time_limit, took } = stuck;
        self.span(*slot, claim, message, actor).in_scope(|| {
            let run = Run::new(actor, message, Some(slot + 1), self.broker.clock().now());
            let outcome = timed_out(*time_limit);
            log_end(claim, &run, &outcome, *took);
            let source = Source { claim, message: Some(message), bytes: &[], is_dead: false };
            self.ended(source, Some(run), outcome, *took, false)
        })
    }

    fn started<'a>(&self, slot: usize, job: &'a Job) -> Run<'a> {
        Run::new(job.actor, &job.message, Some(slot + 1), self.broker.clock().now())
    }

    fn span(&self, slot: usize, claim: &Claim, message: &Message, actor: &Declaration) -> Span {
        let span = info_span!(
            target: "common::run",
            "run",
            slot = slot + 1,
            message_id = %message.message_id,
            actor = actor.name,
            queue = %claim.queue,
            attempt = u64::from(message.retries()) + 1,
            call = tracing::field::Empty,
        );
        if self.log_arguments && !span.is_disabled() {
            span.record("call", tracing::field::display(message));
        }
        span
    }

    fn before(&self, run: &Run<'_>, job: &Job) -> Result<Context, Done> {
        let Run { message, actor, .. } = run;
        let rejected = |reason| Done::Ran(Outcome::Rejected(reason));
        if let Some(reason) = pipelines::refusal(message, run.started).or_else(|| groups::refusal(message, run.started))
        {
            return Err(rejected(reason));
        }
        self.warnings.warn(message, actor);
        let settings = self.broker.settings();
        if let Some(reason) = settings.limits.refusal(message, actor, run.started) {
            return Err(rejected(reason));
        }
        let mut wants_result = settings.results.are_kept(message, Some(*actor))
            || callbacks::wants_result(message, actor)
            || pipelines::wants_result(message, actor);
        for middleware in &settings.middleware {
            let failed = |hook, panic| Done::Ran(Outcome::Failed(of_hook(hook, &**middleware, panic)));
            wants_result |=
                catch(|| middleware.wants_result(message, actor)).map_err(|panic| failed("wants_result", panic))?;
            match catch(|| middleware.before_run(run)).map_err(|panic| failed("before_run", panic))? {
                Decision::Run => {}
                Decision::Later(wait) => return Err(Done::PutOff(wait, PutOff::By(middleware.name()))),
                Decision::Skip => {
                    debug!(target: "common::run", outcome = "skipped", "skipped by {}", middleware.name());
                    return Err(Done::Ran(Outcome::Skipped));
                }
                Decision::Reject(reason) => return Err(rejected(reason)),
            }
        }
        let context = Context::new(job.message.clone(), self.states.clone(), job.cancellation.clone());
        let waited = match (run.waited(), message.options.get(option::ETA)) {
            (None, _) => String::new(),
            (Some(waited), Some(_)) => format!(", {} after it was due", lag(waited)),
            (Some(waited), None) => format!(", {} after it was sent", lag(waited)),
        };
        debug!(target: "common::run", "attempt {} starts{waited}", run.attempt());
        let is_meant = wants_result || is_meant_to_be_lost(message, actor);
        let loss_is_told = if is_meant { None } else { self.registry.loss_is_told(actor.name) };
        Ok(context.wanting_result(wants_result).telling_of_loss(loss_is_told).within(job.time_limit))
    }

    /// What asks to be put off, for as long as it says, or as the retry policy would have it wait.
    fn put_off(&self, run: &Run<'_>, done: Done) -> Done {
        let Done::Ran(Outcome::Failed(failure)) = &done else { return done };
        let Some(retry) = failure.put_off() else { return done };
        let wait = retry.delay.unwrap_or_else(|| self.broker.settings().retries.pause(run));
        Done::PutOff(wait, PutOff::ByItself(bounded(&*failure.text)))
    }

    fn after(&self, run: Run<'_>, job: &Job, done: Done, took: Duration) -> Ended {
        let claim = &job.claim;
        let cancelled = job.cancellation.cause() == Some(Cause::Cancelled);
        let done = if cancelled { done } else { self.put_off(&run, done) };
        let outcome = match done {
            // Its worker stops, and it was told so: it runs again, and this attempt counts for nothing.
            Done::Ran(Outcome::Failed(failure)) if job.cancellation.cause() == Some(Cause::Shutdown) => {
                info!(target: "common::run", outcome = "stopped", error = failure.text, "told that its worker stops, it ended: {}; requeued, no retry is spent", failure.text);
                return Ended::silent(Completion::release(claim.clone()));
            }
            Done::Stopped => {
                info!(target: "common::run", outcome = "stopped", "told that its worker stops, it went on, and was dropped; requeued, no retry is spent");
                return Ended::silent(Completion::release(claim.clone()));
            }
            Done::Ran(outcome) => outcome.bounded(),
            Done::PutOff(wait, why) => {
                let spelt = spell(wait);
                match why {
                    PutOff::By(name) => {
                        debug!(target: "common::run", "put off by {name} for {spelt}; no retry is spent");
                    }
                    PutOff::ByItself(text) => {
                        debug!(target: "common::run", outcome = "put off", "put off for {spelt}: {text}; no retry is spent");
                    }
                }
                let disposition = Disposition::Defer(self.broker.clock().now() + wait, run.message.clone());
                return Ended::silent(Completion { claim: claim.clone(), disposition, effects: Vec::new() });
            }
        };
        log_end(claim, &run, &outcome, took);
        let source = Source { claim, message: Some(&job.message), bytes: &[], is_dead: false };
        self.ended(source, Some(run), outcome, took, cancelled)
    }
}

/// Whether somebody says that what a run returns is neither kept nor passed on.
fn is_meant_to_be_lost(message: &Message, actor: &Declaration) -> bool {
    let says = |name| message.options.get(name).is_some();
    actor.results.store_results.is_some() || says(option::STORE_RESULTS) || says(option::PIPE_TARGET)
}

/// The line that ends a run.
fn log_end(claim: &Claim, run: &Run<'_>, outcome: &Outcome, took: Duration) {
    let milliseconds = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let attempt = run.attempt();
    let took = Took(took);
    match outcome {
        Outcome::Value(_) => debug!(target: "common::run", outcome = "done", milliseconds, "done in {took}"),
        // The consumer has told of what is condemned.
        Outcome::Skipped | Outcome::Condemned(..) => {}
        Outcome::Rejected(reason) => {
            let dead = claim.queue.dead_letter();
            warn!(target: "common::run", outcome = "refused", error = reason, "not run: {reason}; kept 7 days in {dead}");
        }
        Outcome::Failed(failure) => {
            let error = &failure.text;
            if failure.retry_requested.is_some() {
                debug!(target: "common::run", outcome = "retry", error, milliseconds, "attempt {attempt} asks for another one, after {took}");
            } else if failure.expected {
                info!(target: "common::run", outcome = "expected", error, milliseconds, "attempt {attempt} failed after {took}: {error}");
            } else {
                let outcome = if failure.panicked { "panicked" } else { "failed" };
                warn!(target: "common::run", outcome, error, milliseconds, "attempt {attempt} failed after {took}: {error}");
            }
        }
    }
}

fn call(run: &Run<'_>, middleware: &[Arc<dyn Middleware>], context: &Context) -> Outcome {
    let Entry::Sync(entry) = run.actor.entry else { unreachable!("async actors are run by `run_async`") };
    let mut outcome = None;
    let mut step = || {
        outcome.get_or_insert_with(|| catch(|| entry(context)).unwrap_or_else(Outcome::Failed));
    };
    let around = around(middleware, run, &mut step);
    // Without an error, the step was called.
    around.err().map(Outcome::Failed).or(outcome).unwrap_or(Outcome::Skipped)
}

/// Nothing where it was dropped before it ended.
async fn call_async(
    run: &Run<'_>,
    middleware: &[Arc<dyn Middleware>],
    context: Context,
    cancellation: &Cancellation,
) -> Option<Outcome> {
    let Entry::Async(entry) = run.actor.entry else { unreachable!("sync actors are run by `run`") };
    let mut running = Box::pin(catch_async(|| entry(context)));
    let mut over = pin!(cancellation.ended());
    let outcome = poll_fn(|task| {
        let mut poll = Poll::Pending;
        let mut step = || {
            if poll.is_pending() {
                poll = running.as_mut().poll(task);
            }
        };
        let around = if middleware.is_empty() {
            step();
            Ok(())
        } else {
            around(middleware, run, &mut step)
        };
        match (around, poll) {
            (Err(failure), _) => Poll::Ready(Some(Outcome::Failed(failure))),
            (Ok(()), Poll::Ready(outcome)) => Poll::Ready(Some(outcome.unwrap_or_else(Outcome::Failed))),
            (Ok(()), Poll::Pending) => over.as_mut().poll(task).map(|()| None),
        }
    });
    let outcome = outcome.await;
    // In the middle, if a hook has failed or its time is over.
    match catch(move || drop(running)) {
        Err(panic) if !matches!(outcome, Some(Outcome::Failed(_))) => Some(Outcome::Failed(panic)),
        _ => outcome,
    }
}

/// What becomes of an async run that was dropped, as it did not end when it was told to.
fn dropped(job: &Job) -> Done {
    match job.time_limit {
        Some(limit) if job.cancellation.cause() != Some(Cause::Shutdown) => Done::Ran(timed_out(limit)),
        _ => Done::Stopped,
    }
}

/// The end of a run that did not end.
fn timed_out(limit: Duration) -> Outcome {
    Outcome::Failed(Failure {
        text: format!("it has run for longer than its time limit of {}", spell(limit)),
        kind: "TimeLimitExceeded".to_owned(),
        ..Failure::default()
    })
}

/// Takes a step of a run, inside of all that goes around it.
fn around(middleware: &[Arc<dyn Middleware>], run: &Run<'_>, step: &mut dyn FnMut()) -> Result<(), Failure> {
    let Some((hook, inner)) = middleware.split_first() else {
        step();
        return Ok(());
    };
    let mut taken = None;
    let outer = catch(|| hook.around(run, &mut || taken = Some(around(inner, run, step))));
    let not_taken = || Failure {
        text: bounded(format_args!("the hook `around` of `{}` did not call its step", hook.name())),
        kind: "hook".to_owned(),
        ..Failure::default()
    };
    outer.map_err(|panic| of_hook("around", &**hook, panic))?;
    taken.unwrap_or_else(|| Err(not_taken()))
}

/// What a hook that panicked makes of a run.
fn of_hook(hook: &str, middleware: &dyn Middleware, panic: Failure) -> Failure {
    let text = bounded(format_args!("the hook `{hook}` of `{}` {}", middleware.name(), panic.text));
    Failure { text, ..panic }
}

/// What a hook that failed makes of a run.
fn failure_of_hook(hook: &str, middleware: &dyn Middleware, error: &HookError) -> Failure {
    let text = bounded(format_args!("the hook `{hook}` of `{}` failed: {error}", middleware.name()));
    Failure { text, kind: "hook".to_owned(), ..Failure::default() }
}

/// How long a message waited: `3 ms`, `9876 ms`, `2 h 5 min`.
fn lag(waited: Duration) -> String {
    if waited < LONG_LAG { format!("{} ms", waited.as_millis()) } else { spell(waited).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_lag_is_not_told_in_milliseconds() {
        let lags = [3, 9_876, 10_000, 7_500_000].map(|millis| lag(Duration::from_millis(millis)));
        assert_eq!(lags, ["3 ms", "9876 ms", "10 s", "2 h 5 min"]);
    }
}
