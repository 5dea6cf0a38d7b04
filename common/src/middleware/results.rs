//! Keeps what actors return.

use std::time::Duration;

use super::FinishedRun;
use crate::actor::Declaration;
use crate::message::{Message, Raw, option};
use crate::outcome::Outcome;
use crate::results::{Stored, key};
use crate::store::{Completion, Disposition, Effect};

/// Stores what an actor returned, or the error it failed with for good, in the same step as its run ends.
///
/// | option | default | where it can be set |
/// | --- | --- | --- |
/// | `store_results` | no | message, actor, here |
/// | `result_ttl` | 10 minutes | message, actor, here |
///
/// A message that will be retried has no result yet. Read it with [`Broker::result`](crate::broker::Broker::result), or
/// with `get_result` in Python.
///
/// # Source
///
/// dramatiq 2.2, `Results`. Differs: a result without a JSON form is a failure of the message that no retry repeats, and
/// never silently missing.
#[derive(Clone, Copy, Debug)]
pub struct Results {
    /// Whether results are stored where neither message nor actor says.
    pub store_results: bool,
    /// How long they are kept.
    pub result_ttl: Duration,
}

impl Default for Results {
    fn default() -> Self {
        Self { store_results: false, result_ttl: Duration::from_secs(600) }
    }
}

impl Results {
    /// Whether what this run returns is kept.
    pub(crate) fn wants_result(&self, message: &Message, actor: &Declaration) -> bool {
        let option = message.options.get(option::STORE_RESULTS).map(Raw::is_truthy);
        option.or(actor.results.store_results).unwrap_or(self.store_results)
    }

    /// Keeps what this run comes to, if that is wanted and settled.
    pub(crate) fn keep(&self, run: &FinishedRun<'_>, completion: &mut Completion) {
        if !self.wants_result(run.message, run.actor) {
            return;
        }
        let (options, actor) = (&run.message.options, &run.actor.results);
        let is_dead = matches!(completion.disposition, Disposition::DeadLetter(..));
        let stored = match run.outcome {
            Outcome::Value(value) => Stored::Value(value.clone()),
            Outcome::Failed(failure) if is_dead => {
                Stored::Failed { kind: failure.kind.clone(), text: failure.text.clone() }
            }
            Outcome::Rejected(reason) if is_dead => {
                Stored::Failed { kind: "Rejected".to_owned(), text: reason.clone() }
            }
            Outcome::Failed(_) | Outcome::Rejected(_) | Outcome::Skipped => return,
        };
        let millis = options.get(option::RESULT_TTL).and_then(Raw::millis);
        let ttl = millis.map(|millis| Duration::from_millis(millis.max(1).unsigned_abs()));
        let ttl = ttl.or(actor.result_ttl).unwrap_or(self.result_ttl);
        completion.effects.push(Effect::Store { key: key(run.message), value: stored.encode(), ttl });
    }
}
