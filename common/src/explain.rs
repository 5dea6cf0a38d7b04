//! Why a message is where it is, in one sentence.
//!
//! A look at the store gives the facts; here they become a [`Explanation`], without any I/O, so that every sentence is a case
//! that can be tested. Its text is the sentence.
//!
//! Python's workers do not tell which queues they consume. One that holds something of a queue consumes it; of the others
//! nothing is claimed.

mod claimed;
mod json;
mod words;

use std::fmt;
use std::time::Duration;

pub use self::claimed::{ClaimHolder, Takeover};
pub use self::words::error_line;
#[cfg(feature = "cli")]
pub(crate) use self::words::short;
use crate::clock::Timestamp;
use crate::duration::spell;
use crate::message::{Membership, Message};
use crate::queue_name::QueueName;
use crate::store::{AHEAD_LIMIT, DEAD_LETTER_TTL, MessageInfo, QueueInfo, SUSPECT_AFTER, State, WorkerInfo};

/// What is known about a message, its queue and the workers.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The message, as it was found.
    pub found: &'a MessageInfo,
    /// Its queue; `None` where the store knows none of that name.
    pub queue: Option<&'a QueueInfo>,
    /// All workers that the store knows of.
    pub workers: &'a [WorkerInfo],
    /// Since when it runs, where its worker has told that.
    pub since: Option<Timestamp>,
    /// The store's time.
    pub now: Timestamp,
}

/// Why a message waits, or why it does not. Shown, it is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// It is ready, and nobody may or can fetch it.
    Blocked(Blocker),
    /// It is ready, and others go before it; `None` for more than [`AHEAD_LIMIT`].
    Behind(Option<usize>),
    /// It is the next one, and so many workers died while they ran it that no other such message runs beside it.
    Suspect(u32),
    /// It is the next one, and the workers of its queue are busy.
    Next,
    /// It is the next one, and a worker of its queue is idle.
    Fetching,
    /// It is held until its time.
    NotDue {
        /// How long that is.
        left: Duration,
        /// The attempt that failed, where it is held for a retry.
        failed: Option<Failed>,
        /// What it will wait for then.
        then: Option<Blocker>,
    },
    /// Its time has come, and it has not been moved to its queue yet.
    Overdue {
        /// For so long.
        by: Duration,
        /// Why nobody moves it; `None` where a worker's next beat does.
        blocker: Option<Blocker>,
    },
    /// A worker holds it.
    Claimed {
        /// Who, and how it is.
        holder: ClaimHolder,
        /// Whether somebody has cancelled it.
        cancelled: bool,
        /// How many workers died while they ran it, where that keeps it apart from other such messages.
        suspect: Option<u32>,
    },
    /// It is a dead letter.
    Dead {
        /// How long it has been one.
        since: Duration,
        /// Why, in one line, where that is known.
        reason: Option<String>,
        /// How much longer it is kept.
        kept: Duration,
        /// The group that stays open for it, where it is a member of one.
        group: Option<String>,
    },
}

/// A message that was found, and why it is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The message.
    pub found: MessageInfo,
    /// Why it waits, or why it does not.
    pub explanation: Explanation,
    /// Since when it runs, where its worker has told that ([`Status::Running`](crate::broker::Status::Running)).
    pub since: Option<Timestamp>,
    /// When that was so, by the store's time.
    pub now: Timestamp,
}

/// What keeps everything in a queue from being fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocker {
    /// The queue is paused; Python's workers know of no pause.
    Paused {
        /// The queue.
        queue: QueueName,
        /// Whether workers of Python are alive.
        python: bool,
    },
    /// No worker is alive, of whatever queue.
    Nobody,
    /// Workers are alive, and none of this queue.
    NobodyHere(QueueName),
    /// No worker of ours consumes the queue. Python's do not tell what they consume.
    PythonPerhaps(QueueName),
}

/// The last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its error in one line, where there is one.
    pub error: Option<String>,
}

impl Explanation {
    /// Draws the conclusion.
    #[must_use]
    pub fn of(facts: Facts<'_>) -> Self {
        let found = facts.found;
        let blocker = Blocker::of(facts);
        match &found.state {
            State::Ready { ahead } => match (blocker, ahead) {
                (Some(blocker), _) => Self::Blocked(blocker),
                (None, None | Some(1..)) => Self::Behind(*ahead),
                (None, Some(0)) if found.crashes >= SUSPECT_AFTER => Self::Suspect(found.crashes),
                (None, Some(0)) if facts.consumers().any(|worker| worker.claims.is_empty()) => Self::Fetching,
                (None, Some(0)) => Self::Next,
            },
            State::Delayed { due } if *due > facts.now => Self::NotDue {
                left: due.since(facts.now),
                failed: Message::decode(&found.bytes, facts.now).ok().and_then(|message| Failed::of(&message)),
                then: blocker,
            },
            State::Delayed { due } => Self::Overdue { by: facts.now.since(*due), blocker: facts.stuck() },
            State::Claimed { worker, cancelled } => Self::Claimed {
                holder: ClaimHolder::of(worker, facts),
                cancelled: *cancelled,
                suspect: Some(found.crashes).filter(|crashes| *crashes >= SUSPECT_AFTER),
            },
            State::Dead { died, reason } => Self::Dead {
                since: facts.now.since(*died),
                reason: reason.as_deref().map(error_line),
                kept: (*died + DEAD_LETTER_TTL).since(facts.now),
                group: Message::decode(&found.bytes, facts.now).ok().and_then(|message| {
                    let membership = Membership::of(&message).filter(|membership| !membership.counts_failures);
                    membership.map(|membership| membership.group)
                }),
            },
        }
    }

    /// A word for it that stays the same, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Blocked(blocker) | Self::Overdue { blocker: Some(blocker), .. } => blocker.kind(),
            Self::Behind(_) => "behind",
            Self::Suspect(_) => "suspect",
            Self::Next => "next",
            Self::Fetching => "fetching",
            Self::NotDue { failed: None, .. } => "not_due",
            Self::NotDue { failed: Some(_), .. } => "retry",
            Self::Overdue { blocker: None, .. } => "overdue",
            Self::Claimed { cancelled: true, .. } => "cancelled",
            Self::Claimed { holder: ClaimHolder::Silent { .. }, .. } => "silent",
            Self::Claimed { .. } => "running",
            Self::Dead { .. } => "dead",
        }
    }
}

impl Facts<'_> {
    /// The live workers that are known to consume the message's queue.
    fn consumers(&self) -> impl Iterator<Item = &WorkerInfo> {
        let queue = &self.found.queue;
        let live = self.workers.iter().filter(|worker| !worker.is_silent);
        live.filter(move |worker| match &worker.queues {
            Some(queues) => queues.contains(queue),
            None => worker.claims.iter().any(|claim| claim.queue == *queue),
        })
    }

    fn python_lives(&self) -> bool {
        self.workers.iter().any(|worker| !worker.is_silent && worker.queues.is_none())
    }

    /// Why nobody moves to the queue what is due. A pause does not keep it from there.
    fn stuck(self) -> Option<Blocker> {
        Blocker::of(Self { queue: None, ..self })
    }
}

impl Blocker {
    fn of(facts: Facts<'_>) -> Option<Self> {
        let queue = || facts.found.queue.clone();
        let python = facts.python_lives();
        if facts.queue.is_some_and(|queue| queue.paused) {
            return Some(Self::Paused { queue: queue(), python });
        }
        if facts.consumers().next().is_some() {
            return None;
        }
        Some(if python {
            Self::PythonPerhaps(queue())
        } else if facts.workers.iter().all(|worker| worker.is_silent) {
            Self::Nobody
        } else {
            Self::NobodyHere(queue())
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Paused { .. } => "paused",
            Self::Nobody | Self::NobodyHere(_) | Self::PythonPerhaps(_) => "no_worker",
        }
    }
}

impl Failed {
    /// The attempt before the next one; `None` where there was none.
    fn of(message: &Message) -> Option<Self> {
        let attempt = Some(message.retries()).filter(|retries| *retries > 0)?;
        Some(Self { attempt, error: words::last_error(message).as_deref().map(error_line) })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(blocker) => write!(f, "it waits because {blocker}"),
            Self::Behind(Some(1)) => write!(f, "it waits because 1 message goes before it"),
            Self::Behind(Some(ahead)) => write!(f, "it waits because {ahead} messages go before it"),
            Self::Behind(None) => write!(f, "it waits because more than {AHEAD_LIMIT} messages go before it"),
            Self::Suspect(crashes) => {
                write!(
                    f,
                    "it waits because {crashes} workers died while they ran it: it is the next one, for a worker that runs no other such message"
                )
            }
            Self::Next => write!(f, "it waits because the workers are busy: it is the next one that a free slot takes"),
            Self::Fetching => write!(f, "it waits because it has only just come: an idle worker is about to fetch it"),
            Self::NotDue { left, failed, then } => {
                write!(f, "it waits because ")?;
                match failed {
                    Some(failed) => write!(f, "{failed}; attempt {} is due in {}", failed.attempt + 1, spell(*left))?,
                    None => write!(f, "it is not due yet, but in {}", spell(*left))?,
                }
                then.as_ref().map_or(Ok(()), |blocker| write!(f, "; and {blocker}"))
            }
            Self::Overdue { by, blocker: None } => {
                write!(f, "it waits because it came due only {} ago: a worker is about to fetch it", spell(*by))
            }
            Self::Overdue { by, blocker: Some(blocker) } => {
                write!(f, "it waits because {blocker}; it has been due for {}", spell(*by))
            }
            Self::Claimed { holder, cancelled, suspect } => holder.say(f, *cancelled, *suspect),
            Self::Dead { since, reason, kept, group } => {
                write!(f, "it waits no more: it died {} ago", spell(*since))?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                if kept.is_zero() {
                    write!(f, ", and is about to be deleted")?;
                } else {
                    write!(f, ", and is kept for {}", spell(*kept))?;
                }
                match group {
                    Some(group) => write!(f, "; its group {group} stays open until it is requeued and done"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused { queue, python: false } => write!(f, "queue {queue} is paused"),
            Self::Paused { queue, python: true } => {
                write!(f, "queue {queue} is paused (Python's workers know of no pause, and may take it)")
            }
            Self::Nobody => write!(f, "no worker is alive"),
            Self::NobodyHere(queue) => write!(f, "no live worker takes from queue {queue}"),
            Self::PythonPerhaps(queue) => {
                write!(f, "no worker of Rust takes from queue {queue}, and Python's do not tell")
            }
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "attempt {} failed ({error})", self.attempt),
            None => write!(f, "attempt {} asked for another one", self.attempt),
        }
    }
}

#[cfg(test)]
mod tests;
