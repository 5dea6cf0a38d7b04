//! Another attempt for what failed.
//!
//! A retry is a place: the message goes back to the broker until its time has come, in the same step as the claim on it
//! ends. No slot waits for it, and any worker may take it.

use std::time::Duration;

use tracing::{debug, error, info};

use super::{End, Run, failed_message};
use crate::actor::MaxRetries;
use crate::backoff::{Backoff, MAX_BACKOFF};
use crate::duration::{decimal, window};
use crate::message::{Raw, option};
use crate::outcome::{Failure, Outcome};
use crate::store::{Body, Completion, Disposition, Effect};

/// Sends failed messages round again, with a growing wait.
///
/// | option | default | where it can be set |
/// | --- | --- | --- |
/// | `max_retries` | 20 | message, actor, here; a message's `null`, or a number beyond counting, is without end |
/// | `min_backoff` | 15 s | message, actor, here |
/// | `max_backoff` | 7 days | message, actor, here |
/// | `retry_when` | | actor; decides alone, `max_retries` does not count then |
/// | `throws` | | actor; these errors are expected and never retried |
/// | `on_retry_exhausted` | | message, actor: an actor that hears about the last failure |
///
/// # Source
///
/// dramatiq 2.2, `Retries`. Differs: the dead letter holds the last error and the number of retries that there were, and
/// `on_retry_exhausted` is sent in the same step.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How many retries at most; `None` is without end.
    pub max_retries: Option<u32>,
    /// The first retry's least wait.
    pub min_backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { max_retries: Some(20), min_backoff: Duration::from_secs(15), max_backoff: MAX_BACKOFF }
    }
}

/// What holds for one message.
struct Policy {
    max_retries: Option<u32>,
    backoff: Backoff,
}

impl Retries {
    /// The message's word counts before the actor's, and that before the broker's.
    fn policy(&self, run: &Run<'_>) -> Policy {
        let (options, actor) = (&run.message.options, &run.actor.retries);
        let limit = options.get(option::MAX_RETRIES).and_then(limit).or(actor.max_retries);
        let max_retries = match limit {
            Some(MaxRetries::AtMost(max)) => Some(max),
            Some(MaxRetries::Unlimited) => None,
            None => self.max_retries,
        };
        let wait = |name: &str| {
            options.get(name)?.millis().map(|millis| Duration::from_millis(millis.try_into().unwrap_or(0)))
        };
        let min = wait(option::MIN_BACKOFF).or(actor.min_backoff).unwrap_or(self.min_backoff);
        let max = wait(option::MAX_BACKOFF).or(actor.max_backoff).unwrap_or(self.max_backoff);
        Policy { max_retries, backoff: Backoff::new(min, max) }
    }
}

/// The limit that a message names, if it names one: a number of any size, and compared as one. 2.5 lets a third retry pass, a
/// negative one none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both ends are cut off")]
fn limit(value: &Raw) -> Option<MaxRetries> {
    if value.is_null() {
        return Some(MaxRetries::Unlimited);
    }
    let max = value.number()?.ceil().max(0.0);
    Some(if max < f64::from(u32::MAX) { MaxRetries::AtMost(max as u32) } else { MaxRetries::Unlimited })
}

impl Retries {
    /// How long a message waits that asks to be put off and does not say for how long: as it would after this failure.
    pub(crate) fn pause(&self, run: &Run<'_>) -> Duration {
        self.policy(run).backoff.wait(run.message.retries(), fastrand::f64)
    }

    /// Where a message goes that has failed, and who hears that it did so for the last time.
    pub(crate) fn decide(&self, end: &End<'_>, completion: &mut Completion) {
        let (Some(run @ Run { slot: Some(slot), .. }), Outcome::Failed(failure)) = (end.run, end.outcome) else {
            return;
        };
        let attempt = Attempt { end, run, slot, failure, policy: self.policy(&run) };
        let why = if end.cancelled {
            "somebody has cancelled it"
        } else if failure.expected {
            "its actor expects this error"
        } else {
            let retries = run.message.retries();
            let exhausted = match failure.retry_when {
                _ if failure.is_final => true,
                Some(again) => !again,
                None => attempt.policy.max_retries.is_some_and(|max| retries >= max),
            };
            return if exhausted { attempt.give_up(completion) } else { attempt.try_again(completion) };
        };
        info!(target: "common::run", "not retried, {why}; kept in {}", run.message.queue_name.dead_letter());
        let cancelled = if end.cancelled { "cancelled while it ran: " } else { "" };
        completion.disposition = Disposition::DeadLetter(
            Body::Message(failed_message(run.message, &failure.text, run.message.retries())),
            format!("{cancelled}{}", failure.text),
        );
    }
}

/// A run that has failed, and what holds for it.
struct Attempt<'a> {
    end: &'a End<'a>,
    run: Run<'a>,
    slot: usize,
    failure: &'a Failure,
    policy: Policy,
}

impl Attempt<'_> {
    fn try_again(&self, completion: &mut Completion) {
        let Self { end, run, slot, failure, policy } = self;
        let retries = run.message.retries();
        let (wait, window) = if let Some(delay) = failure.retry_requested.and_then(|retry| retry.delay) {
            (delay, "as it asked".to_owned())
        } else {
            let (low, high) = policy.backoff.window(retries);
            (policy.backoff.wait(retries, fastrand::f64), window(low, high))
        };
        let limit = match (failure.retry_when, policy.max_retries) {
            (None, Some(max)) => format!(" of {max}"),
            _ => String::new(),
        };
        debug!(
            target: "common::run",
            "retry {}{limit} in {} ({window}); it waits in the broker, slot {slot} is free",
            retries + 1,
            decimal(wait),
        );
        let mut message = failed_message(run.message, &failure.text, retries.saturating_add(1));
        message.options.set(option::REQUEUE_TIMESTAMP, Raw::from(end.now.as_millis()));
        completion.disposition = Disposition::Retry(end.now + wait, message);
    }

    fn give_up(&self, completion: &mut Completion) {
        let Self { run, failure, policy, .. } = self;
        let retries = run.message.retries();
        let limit = match (failure.retry_when, policy.max_retries) {
            _ if failure.is_final => "a retry would repeat the work".to_owned(),
            (None, Some(max)) => format!("max_retries {max}"),
            _ => "retry_when says no".to_owned(),
        };
        let attempts = retries.saturating_add(1);
        let plural = if attempts == 1 { "" } else { "s" };
        error!(
            target: "common::run",
            "gave up after {attempts} attempt{plural} ({limit}): {}; kept 7 days in {}",
            failure.text,
            run.message.queue_name.dead_letter(),
        );
        completion.effects.extend(self.on_failure());
        completion.disposition = Disposition::DeadLetter(
            Body::Message(failed_message(run.message, &failure.text, retries)),
            failure.text.clone(),
        );
    }

    /// The message for the actor that wants to hear about the last failure.
    fn on_failure(&self) -> Option<Effect> {
        let Self { end, run, failure, policy, .. } = self;
        let target = end.target(option::ON_RETRY_EXHAUSTED, run.actor.retries.on_retry_exhausted)?;
        let retries = run.message.retries();
        // dramatiq has counted the failed attempt by the time it tells about it.
        let failed = failed_message(run.message, &failure.text, retries.saturating_add(1));
        let info = Raw::object([
            ("retries", Raw::from(retries)),
            ("max_retries", policy.max_retries.map_or(Raw::NULL, Raw::from)),
        ]);
        Some(end.send(target, vec![failed.to_raw(), info]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_compared_as_a_number() {
        let limit = |text: &str| limit(&Raw::parse(text).unwrap());
        for (text, max) in [("3", 3), ("3.0", 3), ("2.5", 3), ("false", 0), ("0", 0)] {
            assert_eq!(limit(text), Some(MaxRetries::AtMost(max)), "{text}");
        }
        for none in ["-1", "-1e400", "-Infinity"] {
            assert_eq!(limit(none), Some(MaxRetries::AtMost(0)), "{none}");
        }
        for endless in ["null", "Infinity", "1e400", "1000000000000"] {
            assert_eq!(limit(endless), Some(MaxRetries::Unlimited), "{endless}");
        }
        for no_number in ["\"3\"", "NaN", "[3]", "{}"] {
            assert_eq!(limit(no_number), None, "{no_number}");
        }
    }
}
