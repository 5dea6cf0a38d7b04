//! Runs that take too long, or are to be told that their worker stops.
//!
//! | after its deadline | what happens |
//! | --- | --- |
//! | at once | it is told |
//! | [`GRACE`] | the future of an async actor is dropped |
//! | [`STUCK`] | it has not ended for all that: its message has, and its slot is somebody else's |

use std::sync::Arc;
use std::time::Duration;

use super::LocalQueue;
use super::state::{Running, Slot, State};
use crate::actor::{Cancellation, Cause, Declaration};
use crate::clock::Stopwatch;
use crate::message::Message;
use crate::store::Claim;

/// How long a run may take to end by itself once it is told to.
const GRACE: Duration = Duration::from_secs(1);

/// When it is known not to end.
const STUCK: Duration = Duration::from_secs(5);

/// A run that goes on, while its message has failed.
#[derive(Debug)]
pub(in crate::worker) struct Stuck {
    pub(in crate::worker) slot: usize,
    pub(in crate::worker) claim: Claim,
    pub(in crate::worker) message: Arc<Message>,
    pub(in crate::worker) actor: &'static Declaration,
    /// How long it might have taken, and how long it has by now.
    pub(in crate::worker) time_limit: Duration,
    pub(in crate::worker) took: Duration,
}

/// A run whose time is over, and which is to be told.
#[derive(Debug)]
pub(in crate::worker) struct TimedOut {
    pub(in crate::worker) message: Arc<Message>,
    pub(in crate::worker) actor: &'static Declaration,
    pub(in crate::worker) time_limit: Duration,
    cancellation: Cancellation,
}

impl TimedOut {
    /// Tells it to end.
    pub(in crate::worker) fn tell(&self) {
        self.cancellation.cancel(Cause::TimeLimit);
    }
}

/// What a look at all runs found.
#[derive(Debug, Default)]
pub(in crate::worker) struct Overdue {
    pub(in crate::worker) timed_out: Vec<TimedOut>,
    pub(in crate::worker) stuck: Vec<Stuck>,
    /// When to look again.
    pub(in crate::worker) next: Option<Duration>,
}

impl Running {
    /// How long until something is to be done about it.
    fn next(&self) -> Option<Duration> {
        match self.told {
            Some((told, false)) => Some(GRACE.saturating_sub(told.elapsed())),
            Some((told, true)) if self.is_timed_out() => Some(STUCK.saturating_sub(told.elapsed())),
            Some(_) => None,
            None => self.time_limit.map(|limit| limit.saturating_sub(self.since.elapsed())),
        }
    }

    fn is_timed_out(&self) -> bool {
        self.time_limit.is_some_and(|limit| self.since.elapsed() >= limit)
    }

    /// Counts from now on how long it takes to end.
    fn is_told(&mut self) {
        self.told = Some((Stopwatch::start(), false));
    }
}

impl State {
    /// Takes a slot away from who is stuck in it.
    fn replace(&mut self, slot: usize) {
        self.generations[slot] += 1;
        self.stuck += 1;
        self.free(slot);
    }
}

impl LocalQueue {
    /// When something is to be done about what runs.
    pub(in crate::worker) fn next_limit(&self) -> Option<Duration> {
        self.lock().running().filter_map(Running::next).min()
    }

    /// Does what is to be done about what runs for too long, but for telling it. The next of such moments is in the answer.
    pub(in crate::worker) fn enforce_limits(&self) -> Overdue {
        let (mut state, mut overdue) = (self.lock(), Overdue::default());
        for slot in 0..state.slots.len() {
            let Slot::Runs(running) = &mut state.slots[slot] else { continue };
            match (running.next(), running.time_limit, running.told) {
                (Some(Duration::ZERO), Some(time_limit), None) => {
                    running.is_told();
                    let Running { message, actor, cancellation, .. } = running;
                    let (message, actor, cancellation) = (message.clone(), *actor, cancellation.clone());
                    overdue.timed_out.push(TimedOut { message, actor, time_limit, cancellation });
                }
                (Some(Duration::ZERO), _, Some((told, false))) => {
                    running.cancellation.end();
                    running.told = Some((told, true));
                }
                (Some(Duration::ZERO), Some(time_limit), Some((_, true))) => {
                    let Running { claim, message, actor, since, .. } = running;
                    let (claim, message, actor, took) = (claim.clone(), message.clone(), *actor, since.elapsed());
                    overdue.stuck.push(Stuck { slot, claim, message, actor, time_limit, took });
                    state.replace(slot);
                }
                _ => {}
            }
        }
        overdue.next = state.running().filter_map(Running::next).min();
        overdue
    }

    /// Tells runs that want to know that their worker stops.
    pub(in crate::worker) fn tell_of_stop(&self) {
        let mut state = self.lock();
        for slot in &mut state.slots {
            if let Slot::Runs(running) = slot
                && running.is_told_of_stop
                && running.told.is_none()
            {
                running.cancellation.cancel(Cause::Shutdown);
                running.is_told();
            }
        }
    }

    /// Whether as many runs are stuck as there are slots.
    pub(in crate::worker) fn is_stuck(&self) -> bool {
        let state = self.lock();
        state.stuck >= state.slots.len()
    }

    /// Which holder of a slot is the present one.
    pub(in crate::worker) fn generation(&self, slot: usize) -> u32 {
        self.lock().generations[slot]
    }
}
