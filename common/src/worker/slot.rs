//! How one message is run.
//!
//! Decode its arguments, call its actor, and turn what comes back into an [`Ending`], all inside of one span that gives
//! every line its slot, message and actor.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tracing::{Instrument, Span, debug, debug_span, warn};

use super::pool::Job;
use super::registry::Registry;
use crate::actor::{Cause, Context, Lendings, Run as Kind, Running};
use crate::broker::Broker;
use crate::clock::Stopwatch;
use crate::message::{Message, option};
use crate::middleware::Run;
use crate::outcome::{Failure, Outcome};
use crate::store::{Body, Ending, Place};

/// Runs messages; the same for all slots.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) broker: Broker,
    pub(super) registry: Arc<Registry>,
    pub(super) lendings: Arc<Lendings>,
    pub(super) show_arguments: bool,
}

impl Runner {
    /// Runs a sync actor on this thread.
    pub(super) fn run(&self, slot: usize, job: Job) -> Ending {
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
            self.after(slot, job, &outcome, took)
        })
    }

    /// Runs an async actor in this task.
    pub(super) async fn run_async(&self, slot: usize, job: Job) -> Ending {
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
            self.after(slot, job, &outcome, took)
        }
        .instrument(span)
        .await
    }

    fn span(&self, slot: usize, job: &Job) -> Span {
        let Job { message, actor, .. } = job;
        let span = debug_span!(
            target: "common::run",
            "run",
            slot = slot + 1,
            id = %message.message_id,
            actor = actor.name,
            attempt = u64::from(message.retries()) + 1,
            call = tracing::field::Empty,
        );
        if !span.is_disabled() {
            if self.show_arguments {
                span.record("call", tracing::field::display(message));
            } else {
                span.record("call", actor.name);
            }
        }
        span
    }

    fn before(&self, job: &Job) -> Result<Context, Outcome> {
        let Job { message, actor, .. } = job;
        let now = self.broker.clock().now();
        for middleware in self.broker.middleware() {
            middleware.before_run(message, actor, now).map_err(Outcome::Refused)?;
        }
        let context = Context::new(message.clone(), self.lendings.clone(), job.cancellation.clone());
        debug!(target: "common::run", "attempt {} starts{}", context.attempt(), since(message, now));
        Ok(context)
    }

    fn after(&self, slot: usize, job: Job, outcome: &Outcome, took: Duration) -> Ending {
        let Job { claim, message, actor, cancellation, .. } = job;
        let attempt = message.retries().saturating_add(1);
        let place = match outcome {
            Outcome::Value(_) => {
                debug!(target: "common::run", "done in {}", Took(took));
                Place::Gone
            }
            Outcome::Refused(reason) => {
                warn!(target: "common::run", "not run: {reason}; kept 7 days in {}", claim.queue.dead_letter());
                Place::Dead(Body::Message(Message::clone(&message)), reason.clone())
            }
            Outcome::Failed(failure) => {
                if failure.asked.is_some() {
                    debug!(target: "common::run", "attempt {attempt} asks for another one, after {}", Took(took));
                } else {
                    warn!(target: "common::run", "attempt {attempt} failed after {}: {}", Took(took), failure.text);
                }
                Place::Dead(Body::Message(Message::clone(&message)), failure.text.clone())
            }
        };
        let mut ending = Ending { claim, place, also: Vec::new() };
        let now = self.broker.clock().now();
        let find = |name: &str| self.registry.find(name);
        let cancelled = cancellation.cause() == Some(Cause::Cancelled);
        let run = Run { actor, message: &message, outcome, cancelled, slot: slot + 1, now, find: &find };
        for middleware in self.broker.middleware().iter().rev() {
            middleware.ending(&run, &mut ending);
        }
        ending
    }
}

/// How long ago the message was due, or else sent; of a retry that somebody else promoted, neither is known.
fn since(message: &Message, now: crate::clock::Timestamp) -> String {
    match message.eta(now) {
        Some(due) => format!(", {} ms after it was due", now.since(due).as_millis()),
        None if message.options.get(option::REQUEUE_TIMESTAMP).is_some() => String::new(),
        None => format!(", {} ms after it was sent", now.since(message.message_timestamp).as_millis()),
    }
}

fn call(job: &Job, context: &Context) -> Outcome {
    match job.actor.run {
        Kind::Sync(run) => catch_unwind(AssertUnwindSafe(|| run(context))).unwrap_or_else(|panic| panicked(&*panic)),
        Kind::Async(_) => unreachable!("async actors are run by `run_async`"),
    }
}

async fn call_async(job: &Job, context: Context) -> Outcome {
    let Kind::Async(run) = job.actor.run else { unreachable!("sync actors are run by `run`") };
    match catch_unwind(AssertUnwindSafe(|| run(context))) {
        Ok(running) => catching(running).await,
        Err(panic) => panicked(&*panic),
    }
}

/// Turns a panic of the future into an outcome.
async fn catching(mut running: Running) -> Outcome {
    std::future::poll_fn(move |task| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(task))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(panicked(&*panic)),
    })
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = words.map_or_else(|| "panicked, without words".to_owned(), |words| format!("panicked: {words}"));
    Outcome::Failed(Failure { text, kind: "panic".to_owned(), panicked: true, ..Failure::default() })
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
