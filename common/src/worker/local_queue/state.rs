//! What the consumer and the slots share, behind the queue's lock: who waits, what each slot does, what has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Starts;
use crate::actor::{Cancellation, Cause, Declaration};
use crate::clock::Stopwatch;
use crate::message::Message;
use crate::observe::Reports;
use crate::store::Claim;
use crate::worker::ended::Ended;
use crate::worker::job::{Job, Reserved, Turn};
use crate::worker::prefetch::Prefetch;
use crate::worker::quarantine::{Quarantine, Verdict};

pub(super) struct State {
    pub(super) waiting: BTreeMap<Turn, Job>,
    pub(super) arrivals: u64,
    /// Slots with nothing to do, from 0.
    pub(super) idle: BTreeSet<usize>,
    pub(super) slots: Vec<Slot>,
    /// How often each slot was taken away from who held it: it was stuck.
    pub(super) generations: Vec<u32>,
    /// How many are stuck still.
    pub(super) stuck: usize,
    /// How many times a run waits for what others do.
    pub(super) awaiting: usize,
    pub(super) ended: Vec<Ended>,
    /// What observers are to hear of ends that count for nothing.
    pub(super) lost: Reports,
    /// What goes back to the heads of its queues, by arrival: some of it may have been put here before what arrived earlier.
    pub(super) back: BTreeMap<u64, Claim>,
    pub(super) prefetch: Prefetch,
    pub(super) quarantine: Quarantine,
    /// Has a slot, and is to be recorded.
    pub(super) reserved: Vec<Reserved>,
    /// Whether starts cannot be recorded for the moment.
    pub(super) is_put_off: bool,
    /// When something that waits may start although nothing ends.
    pub(super) held_up_for: Option<Duration>,
    /// Whether slots may take more.
    pub(super) open: bool,
}

/// What a slot does.
pub(super) enum Slot {
    Free,
    Runs(Running),
    /// An actor goes on whose claim was lost or requeued: its end counts for nothing.
    RunsForNothing,
}

impl Slot {
    pub(super) fn running(&self) -> Option<&Running> {
        if let Self::Runs(running) = self { Some(running) } else { None }
    }

    /// Takes the claim away from what runs, and tells it to stop.
    pub(super) fn take_claim(&mut self) -> Option<(u64, Claim)> {
        let Self::Runs(Running { claim, arrival, cancellation, .. }) = self else { return None };
        cancellation.cancel(Cause::Lost);
        let taken = (*arrival, claim.clone());
        *self = Self::RunsForNothing;
        Some(taken)
    }
}

pub(super) struct Running {
    pub(super) claim: Claim,
    pub(super) arrival: u64,
    pub(super) cancellation: Cancellation,
    pub(super) since: Stopwatch,
    pub(super) message: Arc<Message>,
    pub(super) actor: &'static Declaration,
    pub(super) time_limit: Option<Duration>,
    pub(super) is_told_of_stop: bool,
    /// When it was told to end, and has to for that reason; and whether it had its time to do so.
    pub(super) told: Option<(Stopwatch, bool)>,
}

impl Running {
    fn of(job: &Job, arrival: u64) -> Self {
        let Job { claim, message, actor, cancellation, time_limit, is_told_of_stop, .. } = job;
        Self {
            claim: claim.clone(),
            arrival,
            cancellation: cancellation.clone(),
            since: Stopwatch::start(),
            message: message.clone(),
            actor,
            // What waits for its start to be recorded does not run yet.
            time_limit: time_limit.filter(|_| !job.marked),
            is_told_of_stop: *is_told_of_stop,
            told: None,
        }
    }
}

/// What a slot is given.
pub(super) enum Taken {
    Job(Job),
    /// One that runs once its start is recorded.
    Reserved,
    Nothing,
}

impl State {
    /// `threads` idle slots.
    pub(super) fn new(threads: usize, prefetch: Prefetch) -> Self {
        Self {
            waiting: BTreeMap::new(),
            arrivals: 0,
            idle: (0..threads).collect(),
            slots: std::iter::repeat_with(|| Slot::Free).take(threads).collect(),
            generations: vec![0; threads],
            stuck: 0,
            awaiting: 0,
            ended: Vec::new(),
            lost: Vec::new(),
            back: BTreeMap::new(),
            prefetch,
            quarantine: Quarantine::default(),
            reserved: Vec::new(),
            is_put_off: false,
            held_up_for: None,
            open: true,
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Running> {
        self.slots.iter().filter_map(Slot::running)
    }

    pub(super) fn busy(&self) -> usize {
        self.slots.len() - self.idle.len()
    }

    /// Gives the first message that may start to a slot.
    pub(super) fn take(&mut self, slot: usize) -> Taken {
        if !self.open {
            return Taken::Nothing;
        }
        let Some((turn, job)) = self.take_next() else { return Taken::Nothing };
        self.idle.remove(&slot);
        self.slots[slot] = Slot::Runs(Running::of(&job, turn.1));
        if !job.marked {
            return Taken::Job(job);
        }
        self.quarantine.begin(slot, job.kind());
        self.reserved.push(Reserved { slot, turn, job });
        Taken::Reserved
    }

    /// Takes for free slots what may start, as many as the prefetch wants at work, or all; and whether fewer work than could.
    pub(super) fn take_for_idle(&mut self, is_all: bool) -> (Starts, bool) {
        let (mut starts, is_all) = (Vec::new(), is_all || self.awaiting > 0);
        while let Some(slot) = self.idle.first().copied() {
            if !is_all && self.busy() >= self.prefetch.slots_for(self.waiting.len()) {
                return (starts, !self.waiting.is_empty());
            }
            match self.take(slot) {
                Taken::Job(job) => starts.push((slot, job)),
                Taken::Reserved => {}
                Taken::Nothing => break,
            }
        }
        (starts, false)
    }

    fn take_next(&mut self) -> Option<(Turn, Job)> {
        let first = self.waiting.first_entry()?;
        if !first.get().marked {
            return Some(first.remove_entry());
        }
        let turn = self.next_turn()?;
        self.waiting.remove_entry(&turn)
    }

    /// The first that may start.
    fn next_turn(&mut self) -> Option<Turn> {
        for (turn, job) in &self.waiting {
            if !job.marked {
                return Some(*turn);
            }
            if self.is_put_off {
                continue;
            }
            match self.quarantine.verdict(job.kind()) {
                Verdict::Start => return Some(*turn),
                Verdict::Later(left) => self.held_up_for = Some(self.held_up_for.map_or(left, |other| other.min(left))),
                Verdict::Elsewhere => {}
            }
        }
        None
    }

    /// How many of those that wait cannot start now, whatever slot is free.
    pub(super) fn held_up(&self) -> usize {
        if self.quarantine.is_empty() {
            return 0;
        }
        self.waiting.values().filter(|job| self.cannot_start(job)).count()
    }

    /// Whether it has to wait here, whatever slot is free.
    pub(super) fn cannot_start(&self, job: &Job) -> bool {
        job.marked && self.quarantine.verdict(job.kind()) != Verdict::Start
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        for Reserved { slot, turn, job } in std::mem::take(&mut self.reserved) {
            // Unless it was lost meanwhile.
            if let Slot::Runs(_) = self.slots[slot] {
                self.back.insert(turn.1, job.claim);
            }
            self.free(slot);
        }
        self.release_if(|_, _| true);
    }

    /// Frees a slot whose message did not run, or not to its end, and gives it back.
    pub(super) fn give_up(&mut self, slot: usize) {
        if let Some((arrival, claim)) = self.slots[slot].take_claim() {
            self.back.insert(arrival, claim);
        }
        self.free(slot);
    }

    /// A slot has nothing to do.
    pub(super) fn free(&mut self, slot: usize) {
        self.slots[slot] = Slot::Free;
        self.quarantine.end(slot);
        self.idle.insert(slot);
    }

    /// Requeues some of what waits. Returns how many.
    pub(super) fn release_if(&mut self, mut is_one: impl FnMut(&Self, &Job) -> bool) -> usize {
        let waiting = std::mem::take(&mut self.waiting);
        let before = waiting.len();
        for (turn, job) in waiting {
            if is_one(self, &job) {
                self.back.insert(turn.1, job.claim);
            } else {
                self.waiting.insert(turn, job);
            }
        }
        before - self.waiting.len()
    }
}
