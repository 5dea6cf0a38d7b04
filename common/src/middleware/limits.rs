//! Limits of time: how long a run may take, how old a message may be, and whether a run is told that its worker stops.

use std::time::Duration;

use crate::actor::{Declaration, TimeLimit};
use crate::clock::Timestamp;
use crate::duration::spell;
use crate::message::{Message, Raw, option};

/// Limits of time, where neither message nor actor says.
///
/// | option | default | where it can be set |
/// | --- | --- | --- |
/// | `time_limit` | 10 minutes | message, actor, here |
/// | `max_age` | none | message, actor, here |
/// | `notify_shutdown` | no | message, actor, here |
///
/// **Time.** A run that goes on for longer than its `time_limit` is told so ([`Context::cancelled`](crate::actor::Context::cancelled),
/// [`Context::check`](crate::actor::Context::check)). What it returns within a second after that counts as it is. Then the future of an async
/// actor is dropped, and its message has failed with `TimeLimitExceeded`, which is retried like any other failure. A thread cannot
/// be stopped from outside: a sync actor that does not listen, and an async one that never waits, goes on. Five seconds after its
/// deadline its message has failed as well, and its slot gets a thread of its own; what it comes to later counts for nothing. The
/// next attempt may run beside it. Once as many threads are stuck as there are slots, the worker ends
/// ([`Shutdown::Stuck`](crate::worker::Shutdown::Stuck)).
///
/// **Age.** A message that is older than its `max_age` when a worker is about to run it is dead-lettered instead. Its age counts from
/// when it was first built, so delays and retries belong to it.
///
/// **Stop.** Where `notify_shutdown` is set, a run is told as soon as its worker is to stop; the future of an async actor is dropped a
/// second later. A run that ends with an error after that, or is dropped, goes back to the head of its queue, and uses no retry. One
/// that returns well is done.
///
/// # Source
///
/// dramatiq 2.2, `TimeLimit`, `AgeLimit` and `ShutdownNotifications`. Differs: nothing is thrown into the middle of what an actor does,
/// hooks cannot be hit, a stop costs no retry, and what hangs costs its worker no slot.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    /// How long a run may take; `None` for as long as it takes.
    pub time_limit: Option<Duration>,
    /// How old a message may be when it is run; `None` for any age.
    pub max_age: Option<Duration>,
    /// Whether a run is told that its worker stops.
    pub notify_shutdown: bool,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { time_limit: Some(Duration::from_secs(600)), max_age: None, notify_shutdown: false }
    }
}

impl RunLimits {
    /// How long a message's run may take.
    pub(crate) fn time_limit(&self, message: &Message, actor: &Declaration) -> Option<Duration> {
        limit(message, option::TIME_LIMIT, actor.limits.time_limit, self.time_limit)
    }

    /// Whether a message's run is told that its worker stops.
    pub(crate) fn notifies(&self, message: &Message, actor: &Declaration) -> bool {
        let own = message.options.get(option::NOTIFY_SHUTDOWN).filter(|own| !own.is_null()).map(Raw::is_truthy);
        own.or(actor.limits.notify_shutdown).unwrap_or(self.notify_shutdown)
    }

    /// Why a message is too old to be run.
    pub(crate) fn refusal(&self, message: &Message, actor: &Declaration, now: Timestamp) -> Option<String> {
        let most = limit(message, option::MAX_AGE, actor.limits.max_age, self.max_age)?;
        let age = now.since(message.message_timestamp);
        (age >= most).then(|| format!("it is {} old, and its max_age is {}", spell(age), spell(most)))
    }
}

/// The message's word counts before the actor's, and that before the broker's. A message cannot lift a limit but by one without end.
fn limit(message: &Message, name: &str, of_actor: Option<TimeLimit>, usual: Option<Duration>) -> Option<Duration> {
    let own = message.options.get(name).filter(|own| own.is_truthy());
    if own.and_then(Raw::number) == Some(f64::INFINITY) {
        return None;
    }
    let own = own.and_then(Raw::millis).map(|own| Duration::from_millis(own.try_into().unwrap_or(0)));
    own.or_else(|| of_actor.map_or(usual, TimeLimit::time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::LimitOptions;
    use crate::queue_name::QueueName;

    #[crate::actor(crate = "crate")]
    fn any() {}

    fn actor(limits: LimitOptions) -> Declaration {
        Declaration { limits, ..*<any as crate::actor::Actor>::DECLARATION }
    }

    fn message(name: &str, value: &str) -> Message {
        let mut message = Message::new(QueueName::default(), "any", [], Timestamp::EPOCH);
        if !value.is_empty() {
            message.options.set(name, Raw::parse(value).unwrap());
        }
        message
    }

    #[test]
    fn what_a_message_says_counts_before_its_actor_and_that_before_the_broker() {
        let second = Duration::from_secs(1);
        let of = |own: &str, of_actor: Option<TimeLimit>| {
            let actor = actor(LimitOptions { time_limit: of_actor, ..LimitOptions::default() });
            RunLimits::default().time_limit(&message(option::TIME_LIMIT, own), &actor)
        };
        assert_eq!(of("", None), Some(600 * second));
        assert_eq!(of("", Some(TimeLimit::Of(second))), Some(second));
        assert_eq!(of("", Some(TimeLimit::None)), None);
        for (own, limit) in [("2000", 2 * second), ("1.5", Duration::from_millis(1)), ("-5", Duration::ZERO)] {
            assert_eq!(of(own, Some(TimeLimit::None)), Some(limit), "{own}");
        }
        for own in ["null", "0", "\"soon\""] {
            assert_eq!(of(own, Some(TimeLimit::Of(second))), Some(second), "{own} says nothing");
        }
        assert_eq!(of("Infinity", Some(TimeLimit::Of(second))), None);
    }

    #[test]
    fn a_run_is_told_of_a_stop_where_message_actor_or_broker_say_so() {
        let of = |of_actor: Option<bool>, own: &str| {
            let actor = actor(LimitOptions { notify_shutdown: of_actor, ..LimitOptions::default() });
            RunLimits::default().notifies(&message(option::NOTIFY_SHUTDOWN, own), &actor)
        };
        for of_actor in [Some(true), Some(false), None] {
            let told = ["true", "false", "null", ""].map(|own| of(of_actor, own));
            let usual = of_actor.unwrap_or(false);
            assert_eq!(told, [true, false, usual, usual], "{of_actor:?}");
        }
    }
}
