//! The queue that slots pull from, and the list that they leave in what has ended, under one lock.
//!
//! A slot that has run a message leaves its end and takes the next message in one visit. The consumer is told only when the
//! list was empty before, so it wakes once a batch. A message that arrives while slots are free goes to the one with the
//! lowest number, so that a quiet log shows the same numbers every time.

mod current;
mod limits;
mod state;
mod waits;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashSet;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use self::current::CurrentRun;
pub(super) use self::limits::Stuck;
use self::state::{Running, Slot, State, Taken};
use super::ended::Ended;
use super::event::Event;
use super::job::{Job, Reserved, warn_of_rejected};
use super::prefetch::{Prefetch, SOON};
use crate::actor::Cause;
use crate::clock::Stopwatch;
use crate::observe::{Reports, Settled};
use crate::store::{Claim, Completion};

/// Messages, each with the slot that it is to run on.
pub(super) type Starts = Vec<(usize, Job)>;

/// What the consumer and the slots share.
pub(super) struct LocalQueue {
    state: Mutex<State>,
    events: UnboundedSender<Event>,
}

impl LocalQueue {
    /// A queue for `threads` idle slots, and the events that it tells the consumer.
    pub(super) fn new(threads: usize, prefetch: Option<usize>) -> (Arc<Self>, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        let state = Mutex::new(State::new(threads, Prefetch::new(threads, prefetch)));
        (Arc::new(Self { state, events }), receiver)
    }

    /// Tells the consumer something.
    pub(super) fn send(&self, event: Event) {
        // The I/O thread is gone when the worker was forced to end; nobody needs to know then.
        let _ = self.events.send(event);
    }

    /// Takes messages in, in their order. Answers which start on free slots.
    #[must_use]
    pub(super) fn deliver(&self, jobs: impl IntoIterator<Item = Job>) -> Starts {
        let mut state = self.lock();
        for job in jobs {
            state.arrivals += 1;
            let turn = (job.priority, state.arrivals);
            state.waiting.insert(turn, job);
        }
        let starts = state.take_for_idle(false).0;
        if state.awaiting > 0 {
            // It was asked for before.
            state.release_surplus();
        }
        starts
    }

    /// What was held up and starts on free slots now; and whether fewer of them work than could.
    #[must_use]
    pub(super) fn fill(&self) -> (Starts, bool) {
        let mut state = self.lock();
        if state.waiting.is_empty() || state.idle.is_empty() {
            return (Vec::new(), false);
        }
        state.take_for_idle(false)
    }

    /// Where those slots that were to do it all are held up by longer runs than the last ones, the others do it.
    #[must_use]
    pub(super) fn help_out(&self) -> Starts {
        let mut state = self.lock();
        let is_held_up = state.running().all(|run| run.since.elapsed() >= SOON);
        state.take_for_idle(is_held_up).0
    }

    /// What has a slot, and is to be recorded.
    pub(super) fn take_reserved(&self) -> Vec<Reserved> {
        std::mem::take(&mut self.lock().reserved)
    }

    /// When something may start although nothing ends.
    pub(super) fn held_up_for(&self) -> Option<Duration> {
        self.lock().held_up_for.take()
    }

    /// What has a slot starts now, if that is recorded and it is still this worker's; else the slot is free again.
    #[must_use]
    pub(super) fn start_reserved(
        &self,
        Reserved { slot, turn, job }: Reserved,
        is_recorded: bool,
    ) -> Option<(usize, Job)> {
        let mut state = self.lock();
        let is_open = state.open;
        let running = match &mut state.slots[slot] {
            Slot::Runs(running) if running.claim == job.claim => Some(running),
            _ => None,
        };
        if let Some(running) = running {
            if is_recorded && is_open && !job.cancellation.is_cancelled() {
                running.since = Stopwatch::start();
                running.time_limit = job.time_limit;
                return Some((slot, job));
            }
            if is_recorded {
                state.back.insert(turn.1, job.claim);
            }
        }
        state.free(slot);
        None
    }

    /// Starts cannot be recorded for the moment: the slots go to others.
    pub(super) fn put_off(&self, reserved: Vec<Reserved>) {
        let mut state = self.lock();
        state.is_put_off = true;
        for Reserved { slot, turn, job } in reserved {
            let is_its = state.slots[slot].running().is_some_and(|running| running.claim == job.claim);
            state.free(slot);
            if is_its && state.open {
                state.waiting.insert(turn, job);
            } else if is_its {
                state.back.insert(turn.1, job.claim);
            }
        }
    }

    /// Starts may be recorded again.
    pub(super) fn resume(&self) {
        self.lock().is_put_off = false;
    }

    /// Requeues what cannot start here yet. Returns how many.
    pub(super) fn offer(&self) -> usize {
        self.lock().release_if(State::cannot_start)
    }

    /// Whether something waits that cannot start here yet.
    pub(super) fn is_held_up(&self) -> bool {
        self.lock().held_up() > 0
    }

    /// Requeues what is held up beyond what a worker keeps. Returns how many.
    pub(super) fn give_back_held_up(&self) -> usize {
        let mut state = self.lock();
        let mut room = state.prefetch.aside();
        state.release_if(|state, job| {
            let is_held_up = state.cannot_start(job);
            let is_too_much = is_held_up && room == 0;
            room -= usize::from(is_held_up && room > 0);
            is_too_much
        })
    }

    /// A slot's visit: leaves the end of its last run, and takes the next message. Who was stuck has the slot no more.
    pub(super) fn visit(&self, slot: usize, generation: u32, ended: Option<Ended>) -> Option<Job> {
        let mut state = self.lock();
        if state.generations[slot] != generation {
            state.stuck -= 1;
            state.lost.extend(ended.and_then(|ended| ended.report));
            drop(state);
            self.send(Event::Ended);
            return None;
        }
        let (mut news, mut is_late) = (false, false);
        match std::mem::replace(&mut state.slots[slot], Slot::Free) {
            Slot::Runs(run) => {
                state.prefetch.ran(run.since.elapsed());
                if let Some(ended) = ended {
                    news = state.ended.is_empty();
                    state.ended.push(ended);
                }
            }
            // This claim has its end already, or belongs to others, or to a later run. An actor that is told to stop may end well,
            // and is not done for all that.
            Slot::RunsForNothing => {
                is_late = true;
                state.lost.extend(ended.and_then(|ended| ended.report));
            }
            Slot::Free => {}
        }
        // What was held up by this one may have a slot now.
        news |= state.quarantine.end(slot);
        let next = match state.take(slot) {
            Taken::Job(job) => Some(job),
            Taken::Reserved => {
                news = true;
                None
            }
            Taken::Nothing => {
                state.idle.insert(slot);
                None
            }
        };
        let is_open = state.open;
        drop(state);
        if is_late && is_open {
            warn_of_rejected(1);
        }
        if news || is_late {
            self.send(Event::Ended);
        }
        next
    }

    /// Requeues what a slot could not run, without giving it the next one at once.
    pub(super) fn could_not_run(&self, slot: usize) {
        let mut state = self.lock();
        state.give_up(slot);
        drop(state);
        self.send(Event::Ended);
    }

    /// Requeues what a slot was running when it was dropped in the middle, because its runtime has ended; and all that waits.
    pub(super) fn give_up(&self, slot: usize, generation: u32) {
        let mut state = self.lock();
        if state.generations[slot] == generation {
            state.give_up(slot);
        } else {
            state.stuck -= 1;
        }
        state.close();
        drop(state);
        self.send(Event::Dropped);
    }

    /// What tells the consumer something.
    pub(super) fn events(&self) -> UnboundedSender<Event> {
        self.events.clone()
    }

    /// Adds what has ended and no slot has to do with.
    pub(super) fn end(&self, ended: impl IntoIterator<Item = Ended>) {
        self.lock().ended.extend(ended);
    }

    /// Requeues what has just arrived.
    pub(super) fn release(&self, claims: impl IntoIterator<Item = Claim>) {
        let mut state = self.lock();
        for claim in claims {
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.back.insert(arrival, claim);
        }
    }

    /// Takes out all that has ended, with what goes back, or without.
    pub(super) fn take_ended(&self, is_back_too: bool) -> Vec<Ended> {
        let mut state = self.lock();
        let mut ended = std::mem::take(&mut state.ended);
        if is_back_too {
            let back = std::mem::take(&mut state.back).into_values();
            ended.extend(back.map(|claim| Ended::silent(Completion::release(claim))));
        }
        ended
    }

    /// Takes out what observers are to hear of ends that count for nothing.
    pub(super) fn take_lost(&self) -> Reports {
        let mut lost = std::mem::take(&mut self.lock().lost);
        for report in &mut lost {
            report.settled = Settled::ClaimLost;
        }
        lost
    }

    /// How many messages to fetch.
    pub(super) fn wanted(&self) -> usize {
        let state = self.lock();
        let (idle, waiting) = (state.idle.len(), state.waiting.len() - state.held_up());
        // What waits behind a run that waits for others may be what that waits for.
        if state.awaiting > 0 { idle.saturating_sub(waiting) } else { state.prefetch.wanted(idle, waiting) }
    }

    /// Of what waits for a slot, and how much that is: the priority of the last one.
    pub(super) fn last_priority(&self) -> Option<(i32, usize)> {
        let state = self.lock();
        let last = state.waiting.last_key_value().filter(|_| state.open);
        last.map(|((priority, _), _)| (*priority, state.waiting.len()))
    }

    /// Whether nothing runs, and no end is left.
    pub(super) fn is_quiet(&self) -> bool {
        let state = self.lock();
        state.ended.is_empty() && state.back.is_empty() && state.running().next().is_none()
    }

    /// How many messages run.
    pub(super) fn running(&self) -> usize {
        self.lock().running().count()
    }

    /// What has run for `time` and longer, in no order: which delivery it is, and for how long it runs.
    pub(super) fn long_runs(&self, time: Duration) -> Vec<(u64, Claim, Duration)> {
        let state = self.lock();
        let runs = state.running().map(|run| (run.arrival, run.claim.clone(), run.since.elapsed()));
        runs.filter(|(.., lasts)| *lasts >= time).collect()
    }

    /// How many slots have something to do: what runs, and what goes on although its claim is lost.
    pub(super) fn busy(&self) -> usize {
        self.lock().busy()
    }

    /// The claims that wait for a slot, and are not marked.
    pub(super) fn unstarted(&self) -> Vec<Claim> {
        let state = self.lock();
        state.waiting.values().filter(|job| !job.marked).map(|job| job.claim.clone()).collect()
    }

    /// Drops what others hold now: what waits is forgotten, what runs is told to stop, and neither its end nor one that lies
    /// here counts. Returns how many run, and how many had ended.
    pub(super) fn lose(&self, lost: &HashSet<&Claim>) -> (usize, usize) {
        let mut state = self.lock();
        state.waiting.retain(|_, job| !lost.contains(&job.claim));
        state.back.retain(|_, claim| !lost.contains(claim));
        let State { ended, lost: reports, .. } = &mut *state;
        let of_others = ended.extract_if(.., |ended| lost.contains(ended.claim()));
        let ended = of_others.map(|ended| reports.extend(ended.report)).count();
        let is_lost = |slot: &&mut Slot| slot.running().is_some_and(|run| lost.contains(&run.claim));
        let running = state.slots.iter_mut().filter(is_lost).filter_map(Slot::take_claim).count();
        (running, ended)
    }

    /// Ends what somebody has cancelled: what waits is requeued, and the store lets it die; what runs is told. Returns how
    /// many of those hear it for the first time.
    pub(super) fn cancel(&self, cancelled: &[Claim]) -> usize {
        let mut state = self.lock();
        state.release_if(|_, job| cancelled.contains(&job.claim));
        let running = state.running().filter(|run| cancelled.contains(&run.claim));
        let first_told = |run: &&Running| {
            let is_first = !run.cancellation.is_cancelled();
            run.cancellation.cancel(Cause::Cancelled);
            is_first
        };
        running.filter(first_told).count()
    }

    /// Requeues what waits beyond the present target: runs have become long since it was fetched.
    pub(super) fn release_surplus(&self) {
        let mut state = self.lock();
        let runs = || state.running().map(|run| run.since.elapsed());
        let longest = runs().max().unwrap_or_default();
        // Since the last run began, no slot has had room for what waits.
        let stalled = if state.waiting.is_empty() { Duration::ZERO } else { runs().min().unwrap_or(Duration::MAX) };
        state.prefetch.see(longest, stalled);
        state.release_surplus();
    }

    /// Lets slots take nothing more, and requeues all that waits.
    pub(super) fn close(&self) {
        self.lock().close();
    }

    /// Requeues even what runs; whatever it does from now on counts for nothing. Returns how many slots that leaves at work.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.lock();
        let State { slots, back, .. } = &mut *state;
        back.extend(slots.iter_mut().filter_map(Slot::take_claim));
        state.busy()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics, and an actor's panic is caught before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LocalQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalQueue").finish_non_exhaustive()
    }
}
