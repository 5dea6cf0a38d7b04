//! How a message ends, by a run or without one: the retry policy decides, middleware amends that, callbacks and
//! next steps are sent, and results kept.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::{Executor, around, failure_of_hook, of_hook};
use crate::message::Message;
use crate::middleware::{End, Middleware, Run, callbacks, groups, marks, pipelines};
use crate::observe::{Report, Settled};
use crate::outcome::{DeathCause, Failure, Outcome, bounded, catch};
use crate::store::{Body, Claim, Completion, Disposition, Effect};
use crate::worker::ended::{Condemned, Ended};

/// Where a message came from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) claim: &'a Claim,
    /// `None` where its bytes are none.
    pub(super) message: Option<&'a Arc<Message>>,
    /// The bytes that are no message.
    pub(super) bytes: &'a [u8],
    /// It is a dead letter already, and stays one.
    pub(super) is_dead: bool,
}

impl Executor {
    /// Ends what is not run, on a thread that may wait: hooks are code of users.
    pub(in crate::worker) fn condemn(&self, condemned: Condemned) -> Ended {
        let Condemned { claim, message, bytes, is_dead, actor, cause, reason } = condemned;
        let now = self.broker.clock().now();
        let run = actor.zip(message.as_deref()).map(|(actor, message)| Run::new(actor, message, None, now));
        let outcome = Outcome::Condemned(cause, reason).bounded();
        let source = Source { claim: &claim, message: message.as_ref(), bytes: &bytes, is_dead };
        self.ended(source, run, outcome, Duration::ZERO, cause == DeathCause::Cancelled)
    }

    /// What is left of a message, inside of all that goes around its run.
    pub(super) fn ended(
        &self,
        source: Source<'_>,
        run: Option<Run<'_>>,
        outcome: Outcome,
        took: Duration,
        cancelled: bool,
    ) -> Ended {
        let find = |name: &str| self.registry.find(name);
        let (queue, message) = (&source.claim.queue, source.message.map(|message| &**message));
        let now = self.broker.clock().now();
        let end = End { queue, message, run, outcome: &outcome, took, cancelled, now, find: &find };
        let mut ended = None;
        let mut step = || {
            ended.get_or_insert_with(|| self.end(source, &end));
        };
        match run {
            Some(run) => {
                if let Err(failure) = around(&self.broker.settings().middleware, &run, &mut step) {
                    error!(target: "common::run", "{}", failure.text);
                }
            }
            None => step(),
        }
        // A hook that does not go on has failed the run before.
        let (mut completion, failed) = ended.unwrap_or_else(|| self.end(source, &end));
        let mut settled = Settled::from(&completion.disposition);
        if source.is_dead {
            completion.disposition = Disposition::StaysDead;
            settled = Settled::Dead(end.outcome.problem().map_or_else(String::new, |(_, reason)| reason.to_owned()));
        }
        if !self.is_observed {
            return Ended::silent(completion);
        }
        let report = Report {
            queue: queue.clone(),
            message: source.message.filter(|_| self.reports_messages).cloned(),
            attempt: message.map(|message| message.retries().saturating_add(1)),
            actor: run.map(|run| run.actor),
            slot: run.and_then(|run| run.slot),
            waited: run.and_then(|run| run.waited()),
            took,
            ended: now,
            outcome: failed.unwrap_or(outcome),
            settled,
        };
        Ended { completion, report: Some(Box::new(report)) }
    }

    /// What becomes of a message; and the outcome that a hook has made of a run, where it failed.
    fn end(&self, source: Source<'_>, end: &End<'_>) -> (Completion, Option<Outcome>) {
        let mut middleware: Vec<_> = self.broker.settings().middleware.iter().map(|middleware| &**middleware).collect();
        let (mut completion, failed) = match self.completion(source, end, &mut middleware) {
            Ok(completion) => (completion, None),
            Err(failure) => self.failed_completion(source, end, &mut middleware, failure),
        };
        if let Disposition::DeadLetter(_, reason) = &mut completion.disposition {
            *reason = bounded(&*reason);
        }
        (completion, failed)
    }

    /// What becomes of a message. A hook that panics or fails is taken off the list, and what it failed with is the error.
    fn completion(
        &self,
        source: Source<'_>,
        end: &End<'_>,
        middleware: &mut Vec<&dyn Middleware>,
    ) -> Result<Completion, Failure> {
        let disposition = disposition(source, end.outcome);
        let mut completion = Completion { claim: source.claim.clone(), disposition, effects: Vec::new() };
        let settings = self.broker.settings();
        settings.retries.decide(end, &mut completion);
        for (at, hook) in middleware.iter().enumerate() {
            let failure = match catch(|| hook.ending(end, &mut completion)) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => failure_of_hook("ending", *hook, &error),
                Err(panic) => of_hook("ending", *hook, panic),
            };
            error!(target: "common::run", "{}", failure.text);
            middleware.remove(at);
            return Err(failure);
        }
        callbacks::add(end, &mut completion);
        if let Err(failure) = groups::add(end, &mut completion).and_then(|()| pipelines::add(end, &mut completion)) {
            error!(target: "common::run", "{}", failure.text);
            return Err(failure);
        }
        let refused = self.refuse_effects(&mut completion);
        if let (Some(failure), None) = (refused, end.outcome.problem()) {
            return Err(failure);
        }
        settings.results.keep(end, &mut completion);
        marks::add(self.broker.namespace(), end, &mut completion);
        Ok(completion)
    }

    /// Takes out what a hook refuses to have sent: it is not sent, even where the run has failed already. Answers with the last refusal.
    fn refuse_effects(&self, completion: &mut Completion) -> Option<Failure> {
        let mut failure = None;
        let mut may_be_sent = |message: &mut Message| {
            let Err((middleware, cause)) = self.broker.settings().before_enqueue(message) else { return true };
            let actor = &message.actor_name;
            let text =
                bounded(format_args!("`{actor}` cannot be sent: the hook `before_enqueue` of `{middleware}` {cause}"));
            error!(target: "common::run", "{text}");
            failure = Some(Failure { text, kind: "hook".to_owned(), ..Failure::default() });
            false
        };
        completion.effects.retain_mut(|effect| match effect {
            Effect::Enqueue(message) => may_be_sent(message),
            Effect::Count(count) => {
                count.then.retain_mut(&mut may_be_sent);
                true
            }
            Effect::Store { .. } => true,
        });
        failure
    }

    /// The end of a run whose hook has panicked or failed: a failure like any other, of which the other hooks hear. What had failed by
    /// itself, or was never run, stays what it was.
    fn failed_completion(
        &self,
        source: Source<'_>,
        end: &End<'_>,
        middleware: &mut Vec<&dyn Middleware>,
        failure: Failure,
    ) -> (Completion, Option<Outcome>) {
        let failed = match end.outcome {
            Outcome::Value(_) | Outcome::Skipped => Outcome::Failed(failure),
            outcome => outcome.clone(),
        };
        loop {
            // Each round has one hook less.
            if let Ok(completion) = self.completion(source, &End { outcome: &failed, ..*end }, middleware) {
                return (completion, Some(failed));
            }
        }
    }
}

/// Where the message goes as long as no hook says otherwise.
fn disposition(source: Source<'_>, outcome: &Outcome) -> Disposition {
    let Some((_, reason)) = outcome.problem() else { return Disposition::Ack };
    let body = match source.message {
        Some(message) => Body::Message(Message::clone(message)),
        None => Body::Raw(source.bytes.to_vec()),
    };
    Disposition::DeadLetter(body, reason.to_owned())
}
