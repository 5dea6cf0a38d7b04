//! Messages of actors that this worker does not know.
//!
//! In a rolling deploy, old and new workers share a queue for a while, and the old ones do not know what is new. Nor need a
//! worker know all that Python's do. So such a message waits for a worker that knows its actor: it is requeued for a while
//! that grows with how long it has waited already, uncounted, as nothing was tried. Only after
//! [`Worker::unknown_actor_timeout`](crate::worker::Worker::unknown_actor_timeout) it is a dead letter: then it is a mistake.
//!
//! How long it has waited stands in the message ([`option::UNKNOWN_SINCE`]), since any worker may see it next. It counts from the
//! last run, if there was one since.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::Consumer;
use super::fetch::Sorted;
use crate::clock::Timestamp;
use crate::duration::spell;
use crate::error::UnknownActor;
use crate::message::{Message, Raw, option};
use crate::outcome::DeathCause;
use crate::store::Claim;
use crate::worker::ended::Condemned;

/// The first wait, and the longest: as long as it has waited already, between these.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How many actors are told of: a name may be anything.
const MOST_NAMES: usize = 1_000;

impl Consumer {
    /// What becomes of a message whose actor this worker does not know.
    pub(super) fn sort_unknown(&mut self, claim: Claim, mut message: Message, now: Timestamp) -> Sorted {
        let time = |name| message.options.get(name).and_then(Raw::millis).map(Timestamp::from_millis);
        // A clock that was set back, or somebody else's idea of it, must not keep a message for ever.
        let past = |name| time(name).filter(|time| *time <= now);
        // Whoever has run it since knew its actor. dramatiq keeps all options of what it tries again.
        let tried_again = past(option::REQUEUE_TIMESTAMP);
        let since = past(option::UNKNOWN_SINCE).filter(|since| tried_again <= Some(*since)).unwrap_or(now);
        let (waited, longest) = (now.since(since), self.limits.unknown_actor_timeout);
        let actor = message.actor_name.clone();
        if waited >= longest {
            let mut reason = UnknownActor { actor: actor.to_string(), queue: claim.queue.clone() }.to_string();
            if !waited.is_zero() {
                // Writing into a string cannot fail.
                let _ = write!(reason, ", nor in any that met it for {}", spell(waited));
            }
            warn!(target: "common::worker", "{}: {reason}; kept in {}", message.message_id, claim.queue.dead_letter());
            message.options.remove(option::UNKNOWN_SINCE);
            let (message, cause) = (Some(Arc::new(message)), DeathCause::UnknownActor);
            let bytes = Vec::new();
            return Sorted::Dies(Condemned { claim, message, bytes, is_dead: false, actor: None, cause, reason });
        }
        let wait = waited.clamp(WAITS.0, WAITS.1).min(longest.saturating_sub(waited));
        debug!(target: "common::worker", "{}: no actor `{actor}` here; requeued for {}", message.message_id, spell(wait));
        if self.unknown_actors.len() < MOST_NAMES && self.unknown_actors.insert(actor.clone()) {
            warn!(
                target: "common::worker",
                "no actor `{actor}` in this worker, which consumes queue {}: its messages wait up to {} for a worker that knows it",
                claim.queue,
                spell(longest),
            );
        }
        message.options.set(option::UNKNOWN_SINCE, Raw::from(since.as_millis()));
        Sorted::Waits(claim, now + wait, message)
    }
}
