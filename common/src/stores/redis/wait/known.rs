//! What is known of queues: what a look saw, and the server would have told of if it had changed since.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use redis::Value;

use super::PAGE;
use crate::clock::{Stopwatch, Timestamp};
use crate::queue_name::QueueName;
use crate::store::Wake;
use crate::stores::redis::keys::{Keys, is_of_priorities};
use crate::stores::redis::record::is_shared;
use crate::stores::redis::scripts::millis;
use crate::stores::redis::scripts::read;

/// After this long everything is looked at anew, should the server have forgotten whom to tell.
const TRUSTED: Duration = Duration::from_secs(60);

/// What is known of the queues that somebody waits for on one connection.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The queue of each key that was looked at.
    of_key: HashMap<Vec<u8>, QueueName>,
    queues: HashMap<QueueName, Seen>,
    paused: HashSet<String>,
    /// The first priority of what is held by priority in a queue, where that was looked at; infinite where nothing is.
    lowest: HashMap<QueueName, f64>,
    /// Counts changes: an answer that is older than a change of its queue says nothing.
    version: u64,
    /// When each queue changed for the last time.
    changed: HashMap<QueueName, u64>,
    /// When everything did.
    all_changed: u64,
    since: Option<Stopwatch>,
    /// Where the next look begins where the server does not tell, and there are too many queues to look at all.
    start: usize,
}

/// What one look saw of a queue.
#[derive(Clone, Debug)]
struct Seen {
    is_some: bool,
    has_inbox: bool,
    first: Option<Timestamp>,
}

/// What a look means for somebody who waits.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) wake: Option<Wake>,
    /// Queues that have something.
    pub(super) ready: Vec<QueueName>,
    /// Queues in which something comes due earlier than was known, or may.
    pub(super) stirred: Vec<QueueName>,
    /// Whether some could not be looked at.
    pub(super) is_refused: bool,
    /// Queues that have to be looked at.
    pub(super) unseen: Vec<QueueName>,
}

impl Known {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// These keys have changed: the queues that they belong to; none if one of them tells of all queues.
    pub(super) fn changed(&mut self, keys: &[Vec<u8>]) -> Option<Vec<QueueName>> {
        let mut changed = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(queue) = self.of_key.get(key).cloned() else {
                self.forget();
                return None;
            };
            self.version += 1;
            self.changed.insert(queue.clone(), self.version);
            self.queues.remove(&queue);
            if is_of_priorities(key) {
                self.lowest.remove(&queue);
            }
            changed.push(queue);
        }
        Some(changed)
    }

    /// Everything may have changed.
    pub(super) fn forget(&mut self) {
        self.version += 1;
        self.all_changed = self.version;
        self.queues.clear();
        self.lowest.clear();
        self.changed.clear();
    }

    /// The first priority of what is held by priority in a queue, infinite where nothing is; none where that has to be looked at.
    pub(super) fn lowest(&self, queue: &QueueName) -> Option<f64> {
        self.lowest.get(queue).copied()
    }

    /// Takes in what a look at this version saw.
    pub(super) fn learn_lowest(&mut self, keys: &Keys, queue: &QueueName, lowest: f64, version: u64) {
        for key in [keys.ready(queue), keys.held(queue)] {
            self.of_key.entry(key.into_bytes()).or_insert_with(|| queue.clone());
        }
        let changed = self.changed.get(queue).copied().unwrap_or_default().max(self.all_changed);
        if changed <= version {
            self.lowest.insert(queue.clone(), lowest);
        }
    }

    /// What is known for somebody who waits for these queues, and what has to be looked at: all that is not known, and what would
    /// end the wait, as the news that it is over may be under way.
    pub(super) fn check(&mut self, watch: &[QueueName], due: Option<Timestamp>, is_tracking: bool) -> Check {
        if !is_tracking || self.since.as_ref().is_some_and(|since| since.elapsed() > TRUSTED) {
            self.forget();
        }
        if self.queues.is_empty() {
            self.since = Some(Stopwatch::start());
        }
        let mut check = Check::default();
        let is_quiet = |seen: &Seen| !seen.is_some_fetchable(false) && !seen.is_earlier(due);
        let unknown = watch.iter().filter(|queue| !self.queues.get(*queue).is_some_and(is_quiet));
        if is_tracking || watch.len() <= PAGE {
            check.unseen = unknown.cloned().collect();
        } else {
            let start = self.start % watch.len();
            check.unseen = (start..watch.len()).chain(0..start).take(PAGE).map(|at| watch[at].clone()).collect();
            self.start = start + PAGE;
        }
        check
    }

    /// Takes in the answers of one call: which queues are paused, then four a queue.
    pub(super) fn learn(
        &mut self,
        keys: &Keys,
        page: &[QueueName],
        answers: &[Value],
        version: u64,
        due: Option<Timestamp>,
        check: &mut Check,
    ) {
        let Some((paused, answers)) = answers.split_first() else { return };
        self.paused = read(paused.clone()).unwrap_or_default();
        for (queue, answers) in page.iter().zip(answers.chunks(4)) {
            let [ready, held, first, inbox] = answers else { continue };
            // What cannot be looked at counts as empty.
            let is_some = |length: &Value| matches!(length, Value::Int(1..));
            // What lies in the inbox for Python is left there, and behind it nothing is seen before the next beat.
            let is_news = |id: &Value| matches!(id, Value::BulkString(id) if !is_shared(id));
            let is_refused = answers.iter().any(|answer| matches!(answer, Value::ServerError(_)));
            let seen =
                Seen { is_some: is_some(ready) || is_some(held), has_inbox: is_news(inbox), first: first_due(first) };
            let is_paused = self.paused.contains(queue.as_str());
            if seen.is_some_fetchable(is_paused) {
                check.ready.push(queue.clone());
                check.wake = Some(Wake::Ready);
            }
            if seen.is_earlier(due) {
                check.stirred.push(queue.clone());
                check.wake = check.wake.or(Some(Wake::Due));
            }
            check.is_refused |= is_refused;
            for key in [keys.ready(queue), keys.held(queue), keys.due(queue), keys.inbox(queue)] {
                self.of_key.entry(key.into_bytes()).or_insert_with(|| queue.clone());
            }
            let changed = self.changed.get(queue).copied().unwrap_or_default().max(self.all_changed);
            if !is_refused && changed <= version {
                self.queues.insert(queue.clone(), seen);
            }
        }
    }
}

impl Seen {
    fn is_some_fetchable(&self, is_paused: bool) -> bool {
        self.is_some && !is_paused
    }

    /// Whether something comes due before `due`, or may.
    fn is_earlier(&self, due: Option<Timestamp>) -> bool {
        self.has_inbox || self.first.is_some_and(|first| due.is_none_or(|due| first < due))
    }
}

/// The time of the first entry of an index.
fn first_due(entries: &Value) -> Option<Timestamp> {
    first_score(entries).map(millis)
}

/// The score of the first entry of a sorted set.
pub(super) fn first_score(entries: &Value) -> Option<f64> {
    // RESP3 pairs entry and score, RESP2 lists them one after the other.
    match entries {
        Value::Array(entries) => match entries.as_slice() {
            [Value::Array(pair)] => read::<f64>(pair.get(1)?.clone()).ok(),
            [_, score] => read::<f64>(score.clone()).ok(),
            _ => None,
        },
        _ => None,
    }
}
