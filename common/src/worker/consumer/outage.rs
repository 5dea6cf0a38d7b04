//! When the store does not answer, or refuses: how long to pause, and what to say, once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Stopwatch;
use crate::error::StoreError;

/// The first pause; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause. With the next call it has to stay well below the five seconds in which a worker is back.
const LONGEST: Duration = Duration::from_secs(2);

/// What can fail by itself, and pauses by itself: a worker that may not fetch still stores what has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Fetch,
    /// Recording starts.
    Start,
    Finish,
    /// A completion that the store refuses, while others in the same call are stored.
    Completion,
    /// Asking for dead letters whose end is still to be made.
    Unended,
    Beat,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch => "fetch",
            Self::Start => "start",
            Self::Finish => "finish",
            Self::Completion => "a completion",
            Self::Unended => "the ends of dead letters",
            Self::Beat => "beat",
        })
    }
}

/// What is known about calls that fail.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Since when the store has not answered.
    since: Option<Stopwatch>,
    /// What the store answers instead of doing it, as it was said.
    refused: BTreeMap<Call, StoreError>,
    /// How long each of them pauses next.
    pauses: BTreeMap<Call, Duration>,
    pausing: BTreeSet<Call>,
}

impl Outage {
    /// A call failed. Returns how long to pause, unless a pause is under way.
    pub(super) fn failed(&mut self, call: Call, error: &StoreError, address: &str) -> Option<Duration> {
        // Where a completion is refused, the store has answered; what does not answer is where its result or its group lies.
        let is_news = if error.is_passing() && call != Call::Completion {
            let is_first = self.since.is_none();
            self.since.get_or_insert_with(Stopwatch::start);
            is_first
        } else {
            self.refused.insert(call, error.clone()).as_ref() != Some(error)
        };
        if is_news {
            warn!(target: "common::worker", "{address}: {call}: {error}; retrying");
        }
        if !self.pausing.insert(call) {
            return None;
        }
        // All workers find out at the same moment; they must not all come back at the same moment.
        let next = self.pauses.entry(call).or_insert(FIRST);
        let pause = next.mul_f64(0.5 + fastrand::f64() / 2.0);
        *next = (*next * 2).min(LONGEST);
        Some(pause)
    }

    /// A call was answered, and did what it was asked for.
    pub(super) fn answered(&mut self, call: Call) {
        self.pauses.remove(&call);
        if let Some(since) = self.since.take() {
            info!(target: "common::worker", "the broker answers again, after {:.1} s", since.elapsed().as_secs_f64());
        }
        if self.refused.remove(&call).is_some() {
            info!(target: "common::worker", "{call}: recovered");
        }
    }

    /// Whether the store did not answer the last call.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Whether such calls are refused because somebody else does not answer: to wait may change that.
    pub(super) fn is_refused_for_now(&self, call: Call) -> bool {
        matches!(self.refused.get(&call), Some(StoreError::Unreachable(_) | StoreError::Busy(_)))
    }

    pub(super) fn pause_over(&mut self, call: Call) {
        self.pausing.remove(&call);
    }

    /// Whether such calls pause.
    pub(super) fn is_pausing(&self, call: Call) -> bool {
        self.pausing.contains(&call)
    }
}
