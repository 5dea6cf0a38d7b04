//! When the store does not answer: how long to pause, and what to say, once.

use std::time::Duration;

use tracing::{info, warn};

use crate::clock::Stopwatch;
use crate::error::StoreError;

/// The first pause; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause. With the next call it has to stay well below the five seconds in which a worker is back.
const LONGEST: Duration = Duration::from_secs(2);

/// What is known about calls that fail.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Stopwatch>,
    pause: Duration,
    pausing: bool,
}

impl Outage {
    /// A call failed. Returns how long to pause, unless a pause is under way.
    pub(super) fn failed(&mut self, call: &str, error: &StoreError, address: &str) -> Option<Duration> {
        if self.since.is_none() {
            self.since = Some(Stopwatch::start());
            self.pause = FIRST;
            warn!(target: "common::worker", "{address}: {call}: {error}; trying again");
        }
        if self.pausing {
            return None;
        }
        self.pausing = true;
        // All workers find out at the same moment; they must not all come back at the same moment.
        let pause = self.pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.pause = (self.pause * 2).min(LONGEST);
        Some(pause)
    }

    /// A call was answered.
    pub(super) fn answered(&mut self) {
        if let Some(since) = self.since.take() {
            info!(target: "common::worker", "the broker answers again, after {:.1} s", since.elapsed().as_secs_f64());
        }
    }

    /// Whether the last call failed.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn pause_over(&mut self) {
        self.pausing = false;
    }

    /// Whether calls pause.
    pub(super) fn is_pausing(&self) -> bool {
        self.pausing
    }
}
