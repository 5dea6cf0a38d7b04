//! How one message is run.
//!
//! Decode its arguments, call its actor, and turn what comes back into an [`Completion`], all inside of one span that gives
//! every line its slot, message and actor.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span, debug, error, info, info_span, warn};

use super::job::Job;
use super::registry::Registry;
use super::unsupported_options::{Warnings, refusal};
use crate::actor::{Cause, Context, Entry, States};
use crate::broker::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::message::{Message, option};
use crate::middleware::{FinishedRun, Middleware, callbacks};
use crate::outcome::{Failure, Outcome, bounded, catch, catch_async};
use crate::store::{Body, Claim, Completion, Disposition};

/// Runs messages; the same for all slots.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) broker: Broker,
    pub(super) registry: Arc<Registry>,
    pub(super) states: Arc<States>,
    pub(super) log_arguments: bool,
    pub(super) warnings: Warnings,
}

impl Executor {
    /// Runs a sync actor on this thread.
    pub(super) fn run(&self, slot: usize, job: Job) -> Completion {
        let span = self.span(slot, &job);
        span.in_scope(|| {
            let (took, outcome) = match self.before(&job) {
                Err(refused) => (Duration::ZERO, refused),
                Ok(context) => {
                    let watch = Stopwatch::start();
                    let outcome = call(&job, &context);
                    (watch.elapsed(), outcome)
                }
            };
            self.after(slot, job, outcome, took)
        })
    }

    /// Runs an async actor in this task.
    pub(super) async fn run_async(&self, slot: usize, job: Job) -> Completion {
        let span = self.span(slot, &job);
        async {
            let (took, outcome) = match self.before(&job) {
                Err(refused) => (Duration::ZERO, refused),
                Ok(context) => {
                    let watch = Stopwatch::start();
                    let outcome = call_async(&job, context).await;
                    (watch.elapsed(), outcome)
                }
            };
            self.after(slot, job, outcome, took)
        }
        .instrument(span)
        .await
    }

    fn span(&self, slot: usize, job: &Job) -> Span {
        let Job { claim, message, actor, .. } = job;
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

    fn before(&self, job: &Job) -> Result<Context, Outcome> {
        let Job { message, actor, .. } = job;
        if let Some(reason) = refusal(message) {
            return Err(Outcome::Rejected(reason));
        }
        self.warnings.look_at(message, actor);
        let now = self.broker.clock().now();
        let settings = self.broker.settings();
        let mut wants_result = settings.results.wants_result(message, actor) || callbacks::wants_result(message, actor);
        for middleware in &settings.middleware {
            let failed = |hook, panic| Outcome::Failed(of_hook(hook, &**middleware, panic));
            wants_result |=
                catch(|| middleware.wants_result(message, actor)).map_err(|panic| failed("wants_result", panic))?;
            let may_run = catch(|| middleware.before_run(message, actor, now));
            may_run.map_err(|panic| failed("before_run", panic))?.map_err(Outcome::Rejected)?;
        }
        let context = Context::new(message.clone(), self.states.clone(), job.cancellation.clone());
        debug!(target: "common::run", "attempt {} starts{}", context.attempt(), since(message, now));
        Ok(context.wanting_result(wants_result))
    }

    fn after(&self, slot: usize, job: Job, outcome: Outcome, took: Duration) -> Completion {
        let Job { claim, message, actor, cancellation, .. } = job;
        let outcome = outcome.bounded();
        tell(&claim, &message, &outcome, took);
        let now = self.broker.clock().now();
        let find = |name: &str| self.registry.find(name);
        let cancelled = cancellation.cause() == Some(Cause::Cancelled);
        let run =
            FinishedRun { actor, message: &message, outcome: &outcome, cancelled, slot: slot + 1, now, find: &find };
        let mut middleware: Vec<_> = self.broker.settings().middleware.iter().map(|middleware| &**middleware).collect();
        let mut completion = match self.completion(&claim, &run, &mut middleware) {
            Ok(completion) => completion,
            Err(failure) => self.failed_completion(&claim, &run, &mut middleware, failure),
        };
        if let Disposition::DeadLetter(_, reason) = &mut completion.disposition {
            *reason = bounded(&*reason);
        }
        completion
    }

    /// What becomes of a run: the retry policy decides, middleware amends that, and whoever is to hear of it does. A hook that panics
    /// is taken off the list, and what it failed with is the error.
    fn completion(
        &self,
        claim: &Claim,
        run: &FinishedRun<'_>,
        middleware: &mut Vec<&dyn Middleware>,
    ) -> Result<Completion, Failure> {
        let mut completion = Completion { claim: claim.clone(), disposition: disposition(run), effects: Vec::new() };
        let settings = self.broker.settings();
        settings.retries.decide(run, &mut completion);
        for (at, hook) in middleware.iter().enumerate() {
            if let Err(panic) = catch(|| hook.ending(run, &mut completion)) {
                let failure = of_hook("ending", *hook, panic);
                error!(target: "common::run", "{}", failure.text);
                middleware.remove(at);
                return Err(failure);
            }
        }
        callbacks::tell(run, &mut completion);
        settings.results.keep(run, &mut completion);
        Ok(completion)
    }

    /// The end of a run whose hook has panicked: a failure like any panic, of which the other hooks hear. What had failed by
    /// itself, or was never run, stays what it was.
    fn failed_completion(
        &self,
        claim: &Claim,
        run: &FinishedRun<'_>,
        middleware: &mut Vec<&dyn Middleware>,
        failure: Failure,
    ) -> Completion {
        let failed = match run.outcome {
            Outcome::Value(_) => Outcome::Failed(failure),
            outcome => outcome.clone(),
        };
        loop {
            // Each round has one hook less.
            if let Ok(completion) = self.completion(claim, &FinishedRun { outcome: &failed, ..*run }, middleware) {
                return completion;
            }
        }
    }
}

/// Where the message goes as long as no hook says otherwise.
fn disposition(run: &FinishedRun<'_>) -> Disposition {
    let reason = match run.outcome {
        Outcome::Value(_) => return Disposition::Ack,
        Outcome::Rejected(reason) => reason,
        Outcome::Failed(failure) => &failure.text,
    };
    Disposition::DeadLetter(Body::Message(run.message.clone()), reason.clone())
}

/// The line that ends a run.
fn tell(claim: &Claim, message: &Message, outcome: &Outcome, took: Duration) {
    let milliseconds = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let attempt = message.retries().saturating_add(1);
    let took = Took(took);
    match outcome {
        Outcome::Value(_) => debug!(target: "common::run", outcome = "done", milliseconds, "done in {took}"),
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

/// What a hook that panicked makes of a run.
fn of_hook(hook: &str, middleware: &dyn Middleware, panic: Failure) -> Failure {
    let text = bounded(format_args!("the hook `{hook}` of `{}` {}", middleware.name(), panic.text));
    Failure { text, ..panic }
}

/// How long ago the message was due, or else sent; of a retry that somebody else promoted, neither is known.
fn since(message: &Message, now: Timestamp) -> String {
    match message.eta(now) {
        Some(due) => format!(", {} ms after it was due", now.since(due).as_millis()),
        None if message.options.get(option::REQUEUE_TIMESTAMP).is_some() => String::new(),
        None => format!(", {} ms after it was sent", now.since(message.message_timestamp).as_millis()),
    }
}

fn call(job: &Job, context: &Context) -> Outcome {
    match job.actor.entry {
        Entry::Sync(run) => catch(|| run(context)).unwrap_or_else(Outcome::Failed),
        Entry::Async(_) => unreachable!("async actors are run by `run_async`"),
    }
}

async fn call_async(job: &Job, context: Context) -> Outcome {
    let Entry::Async(run) = job.actor.entry else { unreachable!("sync actors are run by `run`") };
    catch_async(|| run(context)).await.unwrap_or_else(Outcome::Failed)
}

/// How long a run took, in the unit that fits.
struct Took(Duration);

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 0.001 {
            write!(f, "{} µs", self.0.as_micros())
        } else if seconds < 1.0 {
            write!(f, "{:.1} ms", seconds * 1_000.0)
        } else {
            write!(f, "{seconds:.1} s")
        }
    }
}
