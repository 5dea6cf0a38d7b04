//! Why a message is where it is, in one sentence.
//!
//! A look at the store gives the facts; here they become a [`Because`], without any I/O. Its text is the sentence.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::message::{Message, option};
use crate::queue_name::QueueName;
use crate::store::{
    AHEAD_LIMIT, BEAT_INTERVAL, DEAD_AFTER, DEAD_LETTER_TTL, Location, QueueSight, SUSPECT_AFTER, Sighting, WorkerSight,
};

/// How long Python's workers may be silent.
const PYTHON_SILENCE: Duration = Duration::from_secs(60);

/// What is known about a message, its queue and the workers.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The message, as it was found.
    pub found: &'a Sighting,
    /// Its queue; `None` where the store knows none of that name.
    pub queue: Option<&'a QueueSight>,
    /// All workers that the store knows of.
    pub workers: &'a [WorkerSight],
    /// The store's time.
    pub now: Timestamp,
}

/// Why a message waits, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// Nothing is fetched from its queue.
    Paused(QueueName),
    /// No worker is alive.
    NoWorker,
    /// Workers are alive, and none of them takes from its queue.
    NoWorkerOf(QueueName),
    /// It is due, and no worker is alive that would make it ready.
    DueWithoutWorker,
    /// So many go first; `None` for more than [`AHEAD_LIMIT`].
    Ahead(Option<usize>),
    /// It is the first, and no slot has taken it yet.
    Next,
    /// Workers died with it, so it runs alone.
    Suspect {
        /// How many.
        crashes: u32,
    },
    /// It is not due yet.
    Delayed {
        /// For how long it still waits.
        left: Duration,
    },
    /// It failed, and its next attempt is not due yet.
    Retry {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// For how long it still waits.
        left: Duration,
    },
    /// A worker has it.
    Held {
        /// Its id.
        worker: String,
        /// Whether it is one of Python's.
        python: bool,
    },
    /// A worker has it that gives no sign of life.
    HeldBySilent {
        /// Its id.
        worker: String,
        /// For how long it has been silent.
        silent: Duration,
        /// After how long others take over.
        limit: Duration,
    },
    /// It is cancelled, and its worker has not ended it yet.
    Cancelled {
        /// The worker's id.
        worker: String,
        /// Whether it is one of Python's, which does not hear of it.
        python: bool,
    },
    /// It is a dead letter.
    Dead {
        /// Why it died.
        reason: Option<String>,
        /// How long it is still kept.
        left: Duration,
    },
}

impl Because {
    /// Draws the conclusion.
    #[must_use]
    pub fn of(facts: Facts<'_>) -> Self {
        match &facts.found.location {
            Location::Ready { ahead } => waiting(facts, *ahead),
            Location::Delayed { due } => delayed(facts, *due),
            Location::Claimed { worker, cancelled } => held(facts, worker, *cancelled),
            Location::Dead { died, reason } => {
                Self::Dead { reason: reason.clone(), left: (*died + DEAD_LETTER_TTL).since(facts.now) }
            }
        }
    }
}

fn waiting(facts: Facts<'_>, ahead: Option<usize>) -> Because {
    if facts.queue.is_some_and(|queue| queue.paused) {
        return Because::Paused(facts.found.queue.clone());
    }
    let mut alive = facts.workers.iter().filter(|worker| !worker.is_silent).peekable();
    if alive.peek().is_none() {
        return Because::NoWorker;
    }
    let takes = |worker: &WorkerSight| worker.queues.as_ref().is_none_or(|queues| queues.contains(&facts.found.queue));
    if !alive.any(takes) {
        return Because::NoWorkerOf(facts.found.queue.clone());
    }
    match ahead {
        Some(0) if facts.found.crashes >= SUSPECT_AFTER => Because::Suspect { crashes: facts.found.crashes },
        Some(0) => Because::Next,
        ahead => Because::Ahead(ahead),
    }
}

fn delayed(facts: Facts<'_>, due: Timestamp) -> Because {
    if due <= facts.now {
        return if facts.workers.iter().any(|worker| !worker.is_silent) {
            Because::Next
        } else {
            Because::DueWithoutWorker
        };
    }
    let left = due.since(facts.now);
    let message = Message::decode(&facts.found.bytes, facts.now).ok();
    match message.filter(|message| message.options.get(option::TRACEBACK).is_some()) {
        Some(message) => Because::Retry { attempt: message.retries().max(1), left },
        None => Because::Delayed { left },
    }
}

fn held(facts: Facts<'_>, worker: &str, cancelled: bool) -> Because {
    let known = facts.workers.iter().find(|known| known.id == worker);
    let python = known.is_some_and(|known| known.queues.is_none());
    let worker = worker.to_owned();
    match known.filter(|known| known.is_silent) {
        Some(silent) => Because::HeldBySilent {
            worker,
            silent: silent.silent_for,
            limit: if python { PYTHON_SILENCE } else { BEAT_INTERVAL * DEAD_AFTER },
        },
        None if cancelled => Because::Cancelled { worker, python },
        None => Because::Held { worker, python },
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(queue) => write!(f, "it waits because queue {queue} is paused"),
            Self::NoWorker => f.write_str("it waits because no worker is alive"),
            Self::NoWorkerOf(queue) => write!(f, "it waits because no live worker takes from queue {queue}"),
            Self::DueWithoutWorker => f.write_str("it waits because it is due, and no worker is alive to take it"),
            Self::Ahead(Some(1)) => f.write_str("it waits because 1 message goes before it"),
            Self::Ahead(Some(ahead)) => write!(f, "it waits because {ahead} messages go before it"),
            Self::Ahead(None) => write!(f, "it waits because more than {AHEAD_LIMIT} messages go before it"),
            Self::Next => f.write_str("it waits because no slot is free yet; it is the next one"),
            Self::Suspect { crashes } => {
                write!(f, "it waits because {crashes} workers died with it: it runs once its worker does nothing else")
            }
            Self::Delayed { left } => write!(f, "it waits because it is due in {}", Roughly(*left)),
            Self::Retry { attempt, left } => {
                write!(f, "it waits because attempt {attempt} failed; the next one is due in {}", Roughly(*left))
            }
            Self::Held { worker, python } => {
                write!(f, "it does not wait: {} runs it, or is about to", Named(worker, *python))
            }
            Self::HeldBySilent { worker, silent, limit } => write!(
                f,
                "it waits because worker {}, which has it, gives no sign of life for {}; after {} others take over",
                short(worker),
                Roughly(*silent),
                Roughly(*limit)
            ),
            Self::Cancelled { worker, python: false } => write!(
                f,
                "it waits because its run has not ended; worker {} was told that it is cancelled, and it is not run again",
                short(worker)
            ),
            Self::Cancelled { worker, python: true } => write!(
                f,
                "it waits because its run has not ended; it is cancelled, but Python's worker {} does not hear of that",
                short(worker)
            ),
            Self::Dead { reason, left } => {
                f.write_str("it does not wait: it is a dead letter")?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                write!(f, ", kept for another {}", Roughly(*left))
            }
        }
    }
}

/// The first characters of a worker's id, as the log shows them.
fn short(worker: &str) -> &str {
    worker.char_indices().nth(8).map_or(worker, |(end, _)| &worker[..end])
}

/// A worker by its short id and its language.
struct Named<'a>(&'a str, bool);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(worker, python) = self;
        write!(f, "{} {}", if *python { "Python's worker" } else { "worker" }, short(worker))
    }
}

/// A duration in the unit that fits: `850 ms`, `4.2 s`, `3 min`, `2 h`, `7 days`.
#[derive(Clone, Copy, Debug)]
pub struct Roughly(pub Duration);

impl fmt::Display for Roughly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 => write!(f, "{seconds:.1} s"),
            10..120 => write!(f, "{seconds:.0} s"),
            120..7_200 => write!(f, "{:.0} min", seconds / 60.0),
            7_200..172_800 => write!(f, "{:.0} h", seconds / 3_600.0),
            _ => write!(f, "{:.0} days", seconds / 86_400.0),
        }
    }
}

#[cfg(test)]
mod tests;
