//! The queue that slots pull from, and the list that they leave endings in, under one lock.
//!
//! A slot that has run a message leaves the ending and takes the next message in one visit. Home is told only when the
//! list was empty before, so it wakes once a batch. A message that arrives while slots are free goes to the one with the
//! lowest number, so that a quiet log shows the same numbers every time.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::warn;

use super::event::Event;
use super::prefetch::Prefetch;
use super::slot::Runner;
use super::threads::{Threads, start};
use crate::actor::{Cancellation, Cause, Declaration};
use crate::clock::Stopwatch;
use crate::message::Message;
use crate::store::{Claim, Ending, Place};

/// A message on its way to a slot.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) claim: Claim,
    pub(super) message: Arc<Message>,
    pub(super) actor: &'static Declaration,
    pub(super) cancellation: Cancellation,
    /// Lower runs first.
    pub(super) priority: i32,
    /// How many workers died while they ran it.
    pub(super) crashes: u32,
    /// Whether its start is to be recorded.
    pub(super) marked: bool,
}

/// What home and the slots share.
pub(super) struct Pool {
    state: Mutex<State>,
    events: UnboundedSender<Event>,
    pub(super) runner: Arc<Runner>,
    /// Where async actors run.
    pub(super) runtime: Option<Handle>,
    pub(super) threads: Threads,
}

struct State {
    waiting: BinaryHeap<Reverse<Waiting>>,
    arrivals: u64,
    /// Slots with nothing to do, from 0.
    idle: BTreeSet<usize>,
    slots: Vec<Slot>,
    endings: Vec<Ending>,
    prefetch: Prefetch,
    /// Whether slots may take more.
    open: bool,
}

/// What a slot does.
enum Slot {
    Free,
    Runs(Running),
    /// An actor goes on whose claim was lost or given back: its end counts for nothing.
    RunsForNothing,
}

impl Slot {
    fn running(&self) -> Option<&Running> {
        if let Self::Runs(running) = self { Some(running) } else { None }
    }

    /// Takes the claim away from what runs, and tells it to stop.
    fn take_claim(&mut self) -> Option<Claim> {
        let Self::Runs(Running { claim, cancellation, .. }) = self else { return None };
        cancellation.cancel(Cause::Lost);
        let claim = claim.clone();
        *self = Self::RunsForNothing;
        Some(claim)
    }
}

struct Running {
    claim: Claim,
    cancellation: Cancellation,
    since: Stopwatch,
}

struct Waiting {
    job: Job,
    arrival: u64,
}

impl Waiting {
    fn order(&self) -> (i32, u64) {
        (self.job.priority, self.arrival)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl Pool {
    /// A pool of `threads` idle slots, and the events that it tells home.
    pub(super) fn new(
        threads: usize,
        runner: Arc<Runner>,
        runtime: Option<Handle>,
    ) -> (Arc<Self>, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        let state = State {
            waiting: BinaryHeap::new(),
            arrivals: 0,
            idle: (0..threads).collect(),
            slots: std::iter::repeat_with(|| Slot::Free).take(threads).collect(),
            endings: Vec::new(),
            prefetch: Prefetch::new(threads),
            open: true,
        };
        let pool = Self { state: Mutex::new(state), events, runner, runtime, threads: Threads::new(threads) };
        (Arc::new(pool), receiver)
    }

    /// Tells home something.
    pub(super) fn tell(&self, event: Event) {
        // Home is gone when the worker was forced to end; nobody needs to know then.
        let _ = self.events.send(event);
    }

    /// Takes messages in, in their order, and starts them on free slots.
    pub(super) fn deliver(self: &Arc<Self>, jobs: impl IntoIterator<Item = Job>) {
        let mut state = self.lock();
        for job in jobs {
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.waiting.push(Reverse(Waiting { job, arrival }));
        }
        let mut starts = Vec::new();
        while let Some(slot) = state.idle.first().copied() {
            let Some(job) = state.take(slot) else { break };
            starts.push((slot, job));
        }
        drop(state);
        for (slot, job) in starts {
            start(self, slot, job);
        }
    }

    /// A slot's visit: leaves the ending of its last run, and takes the next message.
    pub(super) fn visit(&self, slot: usize, ending: Option<Ending>) -> Option<Job> {
        let mut state = self.lock();
        let (mut news, mut is_late) = (false, false);
        match std::mem::replace(&mut state.slots[slot], Slot::Free) {
            Slot::Runs(run) => {
                state.prefetch.ran(run.since.elapsed());
                if let Some(ending) = ending {
                    news = state.endings.is_empty();
                    state.endings.push(ending);
                }
            }
            // This claim has its end already, or belongs to others, or to a later run. An actor that is told to stop may end well,
            // and is not done for all that.
            Slot::RunsForNothing => is_late = true,
            Slot::Free => {}
        }
        let next = state.take(slot);
        if next.is_none() {
            state.idle.insert(slot);
        }
        let is_open = state.open;
        drop(state);
        if is_late && is_open {
            warn!(target: "common::worker", "1 ended without effect: it was given to others meanwhile, which took this worker for dead");
        }
        if news || is_late {
            self.tell(Event::Ended);
        }
        next
    }

    /// Frees a slot that could not run its message, without giving it the next one at once.
    pub(super) fn free(&self, slot: usize, ending: Ending) {
        let mut state = self.lock();
        if let Slot::Runs(_) = std::mem::replace(&mut state.slots[slot], Slot::Free) {
            state.endings.push(ending);
        }
        state.idle.insert(slot);
        drop(state);
        self.tell(Event::Ended);
    }

    /// Frees a slot whose run was dropped in the middle, because its runtime has ended, and gives its message back; and all that
    /// waits, which began later.
    pub(super) fn give_up(&self, slot: usize) {
        let mut state = self.lock();
        if let Slot::Runs(Running { claim, cancellation, .. }) = std::mem::replace(&mut state.slots[slot], Slot::Free) {
            cancellation.cancel(Cause::Lost);
            state.endings.insert(0, head(claim));
        }
        state.idle.insert(slot);
        state.open = false;
        state.give_back();
        drop(state);
        self.tell(Event::Dropped);
    }

    /// What tells home something.
    pub(super) fn events(&self) -> UnboundedSender<Event> {
        self.events.clone()
    }

    /// Adds endings that no slot has to do with.
    pub(super) fn end(&self, endings: impl IntoIterator<Item = Ending>) {
        self.lock().endings.extend(endings);
    }

    /// Takes all endings out.
    pub(super) fn take_endings(&self) -> Vec<Ending> {
        std::mem::take(&mut self.lock().endings)
    }

    /// How many messages to fetch.
    pub(super) fn wanted(&self) -> usize {
        let state = self.lock();
        state.prefetch.wanted(state.idle.len(), state.waiting.len())
    }

    /// Whether nothing runs, and no ending is left.
    pub(super) fn is_quiet(&self) -> bool {
        let state = self.lock();
        state.endings.is_empty() && state.running().next().is_none()
    }

    /// How many messages run.
    pub(super) fn running(&self) -> usize {
        self.lock().running().count()
    }

    /// How many slots have something to do: what runs, and what goes on although its claim is lost.
    pub(super) fn busy(&self) -> usize {
        self.lock().busy()
    }

    /// The claims that wait for a slot, and are not marked.
    pub(super) fn unstarted(&self) -> Vec<Claim> {
        let state = self.lock();
        let jobs = state.waiting.iter().map(|Reverse(waiting)| &waiting.job);
        jobs.filter(|job| !job.marked).map(|job| job.claim.clone()).collect()
    }

    /// Drops what others hold now: what waits is forgotten, what runs is told to stop, and neither its end nor one that lies
    /// here counts. Returns how many run, and how many had ended.
    pub(super) fn lose(&self, lost: &HashSet<&Claim>) -> (usize, usize) {
        let mut state = self.lock();
        state.waiting.retain(|Reverse(waiting)| !lost.contains(&waiting.job.claim));
        let before = state.endings.len();
        state.endings.retain(|ending| !lost.contains(&ending.claim));
        let ended = before - state.endings.len();
        let is_lost = |slot: &&mut Slot| slot.running().is_some_and(|run| lost.contains(&run.claim));
        let running = state.slots.iter_mut().filter(is_lost).filter_map(Slot::take_claim).count();
        (running, ended)
    }

    /// Ends what somebody has cancelled: what waits is given back, and the store lets it die; what runs is told. Returns how
    /// many of those hear it for the first time.
    pub(super) fn cancel(&self, cancelled: &[Claim]) -> usize {
        let mut state = self.lock();
        let (gone, rest): (BinaryHeap<_>, _) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition(|Reverse(waiting)| cancelled.contains(&waiting.job.claim));
        state.waiting = rest;
        state.endings.extend(gone.into_iter().map(|Reverse(waiting)| head(waiting.job.claim)));
        let running = state.running().filter(|run| cancelled.contains(&run.claim));
        let first_told = |run: &&Running| {
            let is_first = !run.cancellation.is_cancelled();
            run.cancellation.cancel(Cause::Cancelled);
            is_first
        };
        running.filter(first_told).count()
    }

    /// Gives back what waits beyond the present target: runs have become long since it was fetched.
    pub(super) fn give_back_surplus(&self, longest: Duration) {
        let mut state = self.lock();
        if state.running().any(|run| run.since.elapsed() > longest) {
            state.prefetch.long_run_seen();
        }
        let target = state.prefetch.target();
        if state.waiting.len() > target {
            let mut all = std::mem::take(&mut state.waiting).into_sorted_vec();
            // Sorted by `Reverse`: the first to run stands last.
            all.reverse();
            let surplus = all.split_off(target);
            state.waiting = all.into();
            state.endings.extend(surplus.into_iter().map(|Reverse(waiting)| head(waiting.job.claim)));
        }
    }

    /// Gives back all that waits, in order. Returns how many.
    pub(super) fn give_back(&self) -> usize {
        self.lock().give_back()
    }

    /// Lets slots take nothing more, and gives back all that waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.give_back();
    }

    /// Gives back even what runs; whatever it does from now on counts for nothing. Returns how many slots that leaves at work.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.lock();
        let claims: Vec<_> = state.slots.iter_mut().filter_map(Slot::take_claim).collect();
        // They began before all that waits, which goes back as well.
        state.endings.splice(0..0, claims.into_iter().map(head));
        state.busy()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics, and an actor's panic is caught before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn running(&self) -> impl Iterator<Item = &Running> {
        self.slots.iter().filter_map(Slot::running)
    }

    fn busy(&self) -> usize {
        self.slots.len() - self.idle.len()
    }

    /// Gives the first message to a slot.
    fn take(&mut self, slot: usize) -> Option<Job> {
        if !self.open {
            return None;
        }
        let Reverse(Waiting { job, .. }) = self.waiting.pop()?;
        self.idle.remove(&slot);
        let (claim, cancellation) = (job.claim.clone(), job.cancellation.clone());
        self.slots[slot] = Slot::Runs(Running { claim, cancellation, since: Stopwatch::start() });
        Some(job)
    }

    fn give_back(&mut self) -> usize {
        let mut all = std::mem::take(&mut self.waiting).into_sorted_vec();
        // Sorted by `Reverse`: the first to run stands last.
        all.reverse();
        let count = all.len();
        self.endings.extend(all.into_iter().map(|Reverse(waiting)| head(waiting.job.claim)));
        count
    }
}

/// The end of a claim whose message was not run.
pub(super) fn head(claim: Claim) -> Ending {
    Ending { claim, place: Place::Head, also: Vec::new() }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
