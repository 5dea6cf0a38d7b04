//! What is claimed: by whom, and who takes over should that one be dead.

use std::fmt;
use std::time::Duration;

use super::Facts;
use super::words::short;
use crate::duration::spell;
use crate::store::{BEAT_INTERVAL, DEAD_AFTER, PYTHON_DEAD_AFTER, WorkerInfo};

/// The worker that holds a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimHolder {
    /// It is alive, and runs the message or is about to.
    Alive {
        /// Its id.
        worker: String,
        /// Whether it is Python's.
        python: bool,
        /// How long it has run the message, where it has told that.
        running: Option<Duration>,
    },
    /// It gives no sign of life.
    Silent {
        /// Its id; empty where the store does not know it any more.
        worker: String,
        /// For so long, where that is known.
        silent_for: Option<Duration>,
        /// Who takes over.
        takeover: Takeover,
    },
}

/// Who takes over what a dead worker held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Takeover {
    /// Workers of ours, in about so long.
    In(Duration),
    /// Only Python's are there: they look now and then.
    Python,
    /// Nobody is there.
    Nobody,
}

impl ClaimHolder {
    pub(super) fn of(id: &str, facts: Facts<'_>) -> Self {
        let known = facts.workers.iter().find(|worker| worker.id == id);
        match known {
            Some(worker) if !is_quiet(worker) => Self::Alive {
                worker: id.to_owned(),
                python: worker.queues.is_none(),
                running: facts.since.map(|since| facts.now.since(since)),
            },
            _ => Self::Silent {
                worker: id.to_owned(),
                silent_for: known.map(|worker| worker.silent_for),
                takeover: Takeover::of(id, known, facts),
            },
        }
    }

    /// The whole sentence.
    pub(super) fn say(&self, f: &mut fmt::Formatter<'_>, cancelled: bool, suspect: Option<u32>) -> fmt::Result {
        match (self, cancelled) {
            (Self::Alive { worker, python: false, running }, false) => {
                write!(f, "it does not wait: worker {} ", short(worker))?;
                match running {
                    Some(running) => write!(f, "has run it for {}", spell(*running))?,
                    None => write!(f, "runs it, or is about to")?,
                }
                match suspect {
                    Some(crashes) => {
                        write!(f, ", and no other such message beside it, as {crashes} workers died while they ran it")
                    }
                    None => Ok(()),
                }
            }
            (Self::Alive { worker, python: true, .. }, false) => {
                write!(f, "it does not wait: Python's worker {} runs it, or is about to", short(worker))
            }
            (Self::Alive { worker, python: false, .. }, true) => {
                write!(f, "it is cancelled: worker {} is told, and has not ended it yet", short(worker))
            }
            (Self::Alive { worker, python: true, .. }, true) => {
                write!(f, "it is cancelled, but Python's worker {} holds it, and cannot be told", short(worker))
            }
            (Self::Silent { worker, silent_for, takeover }, cancelled) => {
                let what = if cancelled { "it is cancelled, and waits for its end" } else { "it waits" };
                write!(f, "{what} because ")?;
                match (worker.as_str(), silent_for) {
                    ("", _) => write!(f, "the worker that holds it is not known any more")?,
                    (worker, None) => write!(f, "worker {}, which holds it, is not known any more", short(worker))?,
                    (worker, Some(silence)) => {
                        let (worker, silence) = (short(worker), spell(*silence));
                        write!(f, "worker {worker}, which holds it, has been silent for {silence}")?;
                    }
                }
                write!(f, "; {takeover}")
            }
        }
    }
}

impl Takeover {
    fn of(holder: &str, known: Option<&WorkerInfo>, facts: Facts<'_>) -> Self {
        if facts.consumers().any(|worker| worker.id != holder) {
            let left = known.map_or(Duration::ZERO, |worker| limit(worker).saturating_sub(worker.silent_for));
            // Somebody sees it with his next beat.
            return Self::In(left + BEAT_INTERVAL);
        }
        if facts.python_lives() { Self::Python } else { Self::Nobody }
    }
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(left) => write!(f, "unless it comes back others take over in about {} s", left.as_secs() + 1),
            Self::Python => write!(f, "only Python's workers are there to take over, after a minute at the earliest"),
            Self::Nobody => write!(f, "no other worker is alive to take over"),
        }
    }
}

/// Silent for so long a worker is dead.
fn limit(worker: &WorkerInfo) -> Duration {
    if worker.queues.is_some() { BEAT_INTERVAL * DEAD_AFTER } else { PYTHON_DEAD_AFTER }
}

/// Whether a sign of life is missing. One that is late by less is no news.
fn is_quiet(worker: &WorkerInfo) -> bool {
    worker.is_silent || worker.silent_for >= limit(worker) * 2 / 3
}
