//! What dies without a run: its end is made where user code may run, and stored like any other.
//!
//! What this worker has fetched and cannot run, it ends itself. What a store has dead-lettered by itself, because somebody cancelled it
//! or it is too large, any worker of its queue ends that knows its actor; one that does not leaves it to others, for as long as it
//! would wait for them with a message.

use std::sync::Arc;

use super::outage::Call;
use super::{Consumer, Until};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::observe::Settled;
use crate::outcome::DeathCause;
use crate::store::{Beat, Disposition, Unended};
use crate::worker::ended::{Condemned, Ended};
use crate::worker::stop::Stage;

/// How many ends are made at once that others did not make.
const AT_ONCE: usize = 100;

impl Consumer {
    /// Has these ended.
    pub(super) fn condemn(&mut self, condemned: Vec<Condemned>) {
        if !condemned.is_empty() {
            self.condemning += 1;
            let (ends, number) = (self.threads.condemn(condemned), self.claims.last());
            // The panic of a hook is caught, so they are there.
            let ends = async move { ends.await.unwrap_or_default() };
            self.call(ends, move |consumer, ended| consumer.condemned(ended, number));
        }
    }

    /// Takes in their ends, as of what was fetched by the delivery of this number at the latest. What was lost meanwhile is others'
    /// to end.
    pub(super) fn condemned(&mut self, ended: Vec<Ended>, number: u64) {
        self.condemning -= 1;
        for ended in ended {
            let is_letter = ended.completion.disposition == Disposition::StaysDead;
            if is_letter || self.claims.is_still(ended.claim(), number) {
                self.local_queue.end([ended]);
            } else {
                self.observe(ended.report, Some(Settled::ClaimLost));
            }
        }
    }

    /// Whether ends are waited for that are being made.
    pub(super) fn is_condemning(&self) -> bool {
        self.condemning > 0 && self.stage < Stage::Forced
    }

    /// Asks for dead letters whose end is still to be made, where a beat has seen some.
    pub(super) fn ask_for_unended(&mut self, beat: &Beat) {
        let is_left = self.leaves_unended && self.until != Until::Stopped;
        if beat.unended.is_empty() || is_left || self.is_asking_for_unended || self.stage != Stage::Running {
            return;
        }
        if self.outage.is_pausing(Call::Unended) {
            return;
        }
        self.is_asking_for_unended = true;
        let (store, queues, now) = (self.broker.store().clone(), beat.unended.clone(), beat.now);
        let unended = async move { store.unended(&queues, AT_ONCE).await };
        self.call(unended, move |consumer, unended| consumer.unended(unended, now));
    }

    /// Has them ended, as seen at this time of the store, but for those that this worker is about to end already.
    fn unended(&mut self, unended: Result<Vec<Unended>, StoreError>, now: Timestamp) {
        self.is_asking_for_unended = false;
        let unended = match unended {
            Ok(unended) => unended,
            Err(error) => return self.failed(Call::Unended, &error),
        };
        self.outage.answered(Call::Unended);
        let is_any = !unended.is_empty();
        let is_new = |letter: &Unended| !self.ending.contains(&letter.claim);
        let condemned: Vec<_> =
            unended.into_iter().filter(is_new).filter_map(|letter| self.of_letter(letter, now)).collect();
        self.leaves_unended = is_any && condemned.is_empty() && self.ending.is_empty();
        self.ending.extend(condemned.iter().map(|condemned| condemned.claim.clone()));
        self.condemn(condemned);
    }

    fn of_letter(&self, letter: Unended, now: Timestamp) -> Option<Condemned> {
        let Unended { claim, bytes, reason, died } = letter;
        let cause = if bytes.is_some() { DeathCause::Cancelled } else { DeathCause::TooLarge };
        let message = bytes.and_then(|bytes| Message::decode(&bytes, now).ok());
        let actor = message.as_ref().and_then(|message| self.registry.get(&message.actor_name));
        if message.is_some() && actor.is_none() && now.since(died) < self.limits.unknown_actor_timeout {
            return None;
        }
        Some(Condemned {
            claim,
            message: message.map(Arc::new),
            bytes: Vec::new(),
            is_dead: true,
            actor,
            cause,
            reason,
        })
    }
}
