//! What a call says of its message, whatever its actor says.

use std::time::Duration;

use super::Call;
use crate::actor::{Actor, Declaration, MaxRetries, Target, TimeLimit};
use crate::duration::millis;
use crate::message::{Entries, Raw, option};

impl<A, K> Call<A, K> {
    /// Retries it at most so often, whatever the actor says.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.option(option::MAX_RETRIES, Raw::from(retries))
    }

    /// Retries it as often as it takes, whatever the actor says.
    #[must_use]
    pub fn unlimited_retries(self) -> Self {
        self.option(option::MAX_RETRIES, Raw::NULL)
    }

    /// The first retry's least wait, whatever the actor says.
    #[must_use]
    pub fn min_backoff(self, wait: Duration) -> Self {
        self.option(option::MIN_BACKOFF, Raw::from(millis(wait)))
    }

    /// The longest wait before a retry, whatever the actor says.
    #[must_use]
    pub fn max_backoff(self, wait: Duration) -> Self {
        self.option(option::MAX_BACKOFF, Raw::from(millis(wait)))
    }

    /// Keeps the result for so long, whatever the actor says.
    #[must_use]
    pub fn store_results(self, ttl: Duration) -> Self {
        self.option(option::STORE_RESULTS, Raw::TRUE).option(option::RESULT_TTL, Raw::from(millis(ttl)))
    }

    /// Remembers for so long that it is done, or has failed for good, so that its status is known although it keeps no result
    /// ([`Broker::status`](crate::broker::Broker::status)): a key of a few bytes, written in the step of its end. Python's workers write none.
    #[must_use]
    pub fn remember_done(self, ttl: Duration) -> Self {
        self.option(option::DONE_TTL, Raw::from(millis(ttl)))
    }

    /// Lets a run of it take so long, whatever the actor says.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        self.option(option::TIME_LIMIT, Raw::from(millis(limit)))
    }

    /// Lets it be run only while it is not older than this, whatever the actor says; its age counts from when it is first sent.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.option(option::MAX_AGE, Raw::from(millis(age)))
    }

    /// Whether a run of it is told that its worker stops, whatever the actor says.
    #[must_use]
    pub fn notify_shutdown(self, yes: bool) -> Self {
        self.option(option::NOTIFY_SHUTDOWN, Raw::from(yes))
    }

    /// Tells actor `B` what its actor returned: it is sent this message and the value.
    #[must_use]
    pub fn on_success<B: Actor>(self) -> Self {
        self.option(option::ON_SUCCESS, Raw::from(B::DECLARATION.name))
    }

    /// Tells actor `B` of every failed attempt: it is sent this message and the error.
    #[must_use]
    pub fn on_failure<B: Actor>(self) -> Self {
        self.option(option::ON_FAILURE, Raw::from(B::DECLARATION.name))
    }

    /// Tells actor `B` about the last failure, whatever the actor says. The message travels with its name: a worker that does
    /// not know `B` tells it on this message's own queue.
    #[must_use]
    pub fn on_retry_exhausted<B: Actor>(self) -> Self {
        self.option(option::ON_RETRY_EXHAUSTED, Raw::from(B::DECLARATION.name))
    }

    /// Among ready messages, lower runs first; 0 is the usual one.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        self.option(option::PRIORITY, Raw::from(i64::from(priority)))
    }
}

/// Sets what a remote actor's attribute says: whoever runs it does not know that.
pub(super) fn declared(declaration: &Declaration, options: &mut Entries) {
    let Declaration { retries, callbacks, results, limits, .. } = declaration;
    let name = |target: Option<Target>| target.map(|target| Raw::from(target.name));
    let time = |time: Option<Duration>| time.map(|time| Raw::from(millis(time)));
    let max_retries = retries.max_retries.map(|limit| match limit {
        MaxRetries::AtMost(retries) => Raw::from(retries),
        MaxRetries::Unlimited => Raw::NULL,
    });
    for (option, value) in [
        (option::MAX_RETRIES, max_retries),
        (option::MIN_BACKOFF, time(retries.min_backoff)),
        (option::MAX_BACKOFF, time(retries.max_backoff)),
        (option::ON_RETRY_EXHAUSTED, name(retries.on_retry_exhausted)),
        (option::ON_SUCCESS, name(callbacks.on_success)),
        (option::ON_FAILURE, name(callbacks.on_failure)),
        (option::STORE_RESULTS, results.store_results.map(Raw::from)),
        (option::RESULT_TTL, time(results.result_ttl)),
        (
            option::TIME_LIMIT,
            limits
                .time_limit
                .map(|limit| limit.time().map_or(Raw::from(f64::INFINITY), |time| Raw::from(millis(time)))),
        ),
        (option::MAX_AGE, time(limits.max_age.and_then(TimeLimit::time))),
        (option::NOTIFY_SHUTDOWN, limits.notify_shutdown.map(Raw::from)),
    ] {
        if let Some(value) = value {
            options.set(option, value);
        }
    }
}
