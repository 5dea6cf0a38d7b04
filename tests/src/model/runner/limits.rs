//! Limits and barriers. A holder here dies by doing nothing more, and comes late by doing it after its lease.

use super::{Kind, Operation, Runner, Wrong, refused};
use common::store::{Limiters, RateLimit, Slot, SlotLimit, Within};
use std::{sync::Arc, time::Duration};

/// How many limits, rates and barriers there are.
const KEYS: usize = 3;

/// How long slots are kept for Python: longer than any sequence takes in the real time of a server.
const TTL: Duration = Duration::from_secs(900);

/// How long barriers are kept.
const BARRIER_TTL: Duration = Duration::from_secs(60);

/// The most tokens of one call.
const TOGETHER: usize = 4;

impl Runner {
    /// A limit of one, two or three slots. The braces keep all keys of one in the namespace.
    fn limit(&self, pick: usize) -> SlotLimit {
        let limit = u32::try_from(pick % KEYS).unwrap_or_default() + 1;
        SlotLimit { key: format!("{}{{limit {limit}}}", self.results), limit, ttl: TTL }
    }

    /// A rate; of one per window, there is the most to see.
    fn rate(&self, operation: Operation) -> RateLimit {
        let (limit, within) = match operation.pick(0, 4) {
            0 => (2, Within::Bucket(Duration::from_secs(90))),
            1 => (3, Within::Seconds(60)),
            _ => (1, Within::Seconds(45)),
        };
        RateLimit { key: format!("{}rate {limit}", self.results), limit, within }
    }

    fn barrier(&self, operation: Operation) -> String {
        format!("{}barrier {}", self.results, operation.pick(0, KEYS))
    }

    /// Some of those who ever had a slot, and somebody who never had.
    fn some_slots(&self, operation: Operation) -> Vec<Slot> {
        let mut all = self.slots.clone();
        all.push(Slot { of: self.limit(operation.pick(2, KEYS)), token: "nobody".to_owned() });
        // The last ones are the likeliest to hold one.
        all.reverse();
        let from = operation.pick(0, all.len().min(2 * TOGETHER));
        all.into_iter().skip(from).take(1 + operation.pick(1, TOGETHER)).collect()
    }

    /// Whether Python holds any slot.
    pub(super) fn python_has_slot(&self) -> bool {
        (0..KEYS).any(|pick| self.places.held_by_python(&self.limit(pick)) > 0)
    }

    pub(super) async fn limit_something(&mut self, operation: Operation) -> Result<(), Wrong> {
        let store = self.store.clone();
        let limiters = store.limiters().ok_or_else(|| Wrong("there are no limits".to_owned()))?;
        match operation.kind {
            Kind::AcquireSlot => {
                let token = format!("holder {}", self.slots.len());
                let slot = Slot { of: self.limit(operation.pick(0, KEYS)), token };
                let grant = limiters.acquire(&slot).await.map_err(refused)?;
                self.tell(|| format!("{} of {}: {grant:?}", slot.token, slot.of.limit));
                self.places.acquired(&slot, grant)?;
                self.slots.push(slot);
            }
            Kind::RenewSlots => {
                let slots = self.some_slots(operation);
                let held = limiters.renew(&slots).await.map_err(refused)?;
                self.tell(|| format!("renew {}: {held:?}", names(&slots)));
                self.places.renewed(&slots, &held)?;
            }
            Kind::ReleaseSlots => {
                let slots = self.some_slots(operation);
                let held = limiters.release(&slots).await.map_err(refused)?;
                self.tell(|| format!("release {}: {held:?}", names(&slots)));
                self.places.released(&slots, &held)?;
            }
            Kind::PassRate => {
                let rate = self.rate(operation);
                let again = limiters.pass(&rate).await.map_err(refused)?;
                self.tell(|| format!("pass {} times {:?}: {again:?}", rate.limit, rate.within));
                self.places.passed(&rate, again)?;
            }
            Kind::Lapse => {
                let just_before = Duration::from_millis(operation.pick(0, 2) as u64);
                let lapses: Vec<_> = self.places.lapses().take(KEYS).collect();
                let lapse = lapses.get(operation.pick(1, lapses.len())).copied();
                let left = lapse.unwrap_or(Duration::from_secs(1)).saturating_sub(just_before);
                self.tell(|| format!("{} ms pass", left.as_millis()));
                self.clock.advance(left);
                self.places.advance(left);
            }
            Kind::PythonTakeSlot | Kind::PythonGiveSlotBack => self.python_slot(operation)?,
            _ => self.meet(limiters, operation).await?,
        }
        Ok(())
    }

    /// At a barrier.
    async fn meet(&mut self, limiters: &dyn Limiters, operation: Operation) -> Result<(), Wrong> {
        let (key, parties) = (self.barrier(operation), 1 + u32::try_from(operation.pick(1, 3)).unwrap_or_default());
        match operation.kind {
            Kind::CreateBarrier => {
                let is_new = limiters.create_barrier(&key, parties, BARRIER_TTL).await.map_err(refused)?;
                self.tell(|| format!("create {key} for {parties}: {is_new}"));
                self.places.made_barrier(&key, parties, BARRIER_TTL, is_new)?;
            }
            Kind::Arrive => {
                let arrival = limiters.arrive(&key, BARRIER_TTL).await.map_err(refused)?;
                self.tell(|| format!("arrive at {key}: {arrival:?}"));
                self.places.arrived(&key, BARRIER_TTL, arrival)?;
            }
            Kind::PythonCreateBarrier => {
                let is_new = self.python_says(&["create", &key, &parties.to_string()]);
                self.places.made_barrier(&key, parties, BARRIER_TTL, is_new)?;
            }
            // One that is not known, Python takes for open.
            _ if self.places.has_barrier(&key) => {
                let is_last = self.python_says(&["arrive", &key]);
                self.places.python_arrived(&key, BARRIER_TTL, is_last)?;
            }
            _ => {}
        }
        let left = limiters.barrier(&key).await.map_err(refused)?;
        self.places.counted_parties(&key, left)
    }

    fn python_slot(&mut self, operation: Operation) -> Result<(), Wrong> {
        let limit = self.limit(operation.pick(0, KEYS));
        if operation.kind == Kind::PythonTakeSlot {
            let is_taken = self.python_says(&["take", &limit.key, &limit.limit.to_string()]);
            return self.places.python_acquired(&limit, is_taken);
        }
        let limits: Vec<_> = (0..KEYS).map(|pick| self.limit(pick)).collect();
        let held: Vec<_> = limits.into_iter().filter(|limit| self.places.held_by_python(limit) > 0).collect();
        if let Some(limit) = held.get(operation.pick(0, held.len())) {
            self.python_says(&["give back", &limit.key]);
            self.places.python_released(limit);
        }
        Ok(())
    }

    /// Has Python do something, and answers what that came to.
    fn python_says(&mut self, words: &[&str]) -> bool {
        let script = self.script.as_ref().map(Arc::clone);
        let answer = script.is_some_and(|script| script.limits(words));
        self.tell(|| format!("Python: {}: {answer}", words.join(" ")));
        answer
    }
}

fn names(slots: &[Slot]) -> String {
    let names: Vec<_> = slots.iter().map(|slot| format!("{} of {}", slot.token, slot.of.limit)).collect();
    names.join(", ")
}
