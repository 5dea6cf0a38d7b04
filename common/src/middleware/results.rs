//! Keeps what actors return.

use std::time::Duration;

use super::End;
use crate::actor::Declaration;
use crate::message::{Message, Raw, option};
use crate::outcome::Outcome;
use crate::results::{ResultKeys, Stored};
use crate::store::{Completion, Disposition, Effect};

/// Stores what an actor returned, or the error it failed with for good, in the same step as its run ends.
///
/// | option | default | where it can be set |
/// | --- | --- | --- |
/// | `store_results` | no | message, actor, here |
/// | `result_ttl` | 10 minutes | message, actor, here |
///
/// Where results are [at another URL](crate::broker::BrokerBuilder::results_at) than the queues, they are written before that step,
/// and a message is acknowledged only once its result is there.
///
/// A message that will be retried has no result yet; one that was skipped has `null`; one that died without a run has one, which says why. Read it with [`Broker::result`](crate::broker::Broker::result), or
/// with `get_result` in Python.
///
/// # Source
///
/// dramatiq 2.2, `Results`. Differs: a result without a JSON form is a failure of the message that no retry repeats, and
/// never silently missing. Where results lie in another place than the queues, both write them before they acknowledge; there, an
/// error on the way is a line in the log, and the message is acknowledged without its result. What encodes them is JSON.
#[derive(Clone, Debug)]
pub struct Results {
    /// Whether results are stored where neither message nor actor says.
    pub store_results: bool,
    /// How long they are kept.
    pub result_ttl: Duration,
    /// Under which keys they lie.
    pub keys: ResultKeys,
}

impl Default for Results {
    fn default() -> Self {
        Self { store_results: false, result_ttl: Duration::from_secs(600), keys: ResultKeys::default() }
    }
}

impl Results {
    /// Whether what a message comes to is kept.
    pub(crate) fn are_kept(&self, message: &Message, actor: Option<&Declaration>) -> bool {
        let option = message.options.get(option::STORE_RESULTS).map(Raw::is_truthy);
        option.or_else(|| actor?.results.store_results).unwrap_or(self.store_results)
    }

    /// Keeps what a message comes to, if that is wanted and settled.
    pub(crate) fn keep(&self, end: &End<'_>, completion: &mut Completion) {
        let actor = end.run.map(|run| run.actor);
        let Some(message) = end.message.filter(|message| self.are_kept(message, actor)) else { return };
        let is_dead = matches!(completion.disposition, Disposition::DeadLetter(..));
        let stored = match (end.outcome, end.outcome.problem()) {
            (Outcome::Value(value), _) => Stored::Value(value.clone()),
            (Outcome::Skipped, _) => Stored::Value(Raw::NULL),
            (_, Some((kind, text))) if is_dead => Stored::Failed { kind: kind.to_owned(), text: text.to_owned() },
            _ => return,
        };
        let millis = message.options.get(option::RESULT_TTL).and_then(Raw::millis);
        let ttl = millis.map(|millis| Duration::from_millis(millis.max(1).unsigned_abs()));
        let ttl = ttl.or_else(|| actor?.results.result_ttl).unwrap_or(self.result_ttl);
        completion.effects.push(Effect::Store { key: self.keys.of(message), value: stored.encode(), ttl });
    }
}
