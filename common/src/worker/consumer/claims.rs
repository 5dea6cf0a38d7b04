//! Which claims are this worker's: each one from its delivery until the store has answered its end.
//!
//! A store knows a claim by its worker and by the name of its message. It cannot tell the run of a message from an earlier run
//! of the same message by the same worker: the worker stood still, others took it for dead and put the message back, and this
//! worker has fetched it once more. So the worker tells them apart:
//!
//! * A claim belongs to one run. When it is lost, or delivered once more, the run that had it is taken out at once and told to
//!   stop, and its end counts for nothing, however late it comes.
//! * Deliveries are numbered. What a call answers that began before a delivery is about an earlier one.

use foldhash::{HashMap, HashSet};
use tracing::warn;

use super::Consumer;
use crate::observe::Settled;
use crate::store::{Claim, Completion};
use crate::worker::ended::Ended;
use crate::worker::job::warn_of_rejected;

/// The claims of a worker, each with the number of its delivery.
#[derive(Debug, Default)]
pub(super) struct Claims {
    numbers: HashMap<Claim, u64>,
    last: u64,
}

impl Claims {
    /// Takes in a delivery. Answers whether the claim was held already.
    fn add(&mut self, claim: &Claim) -> bool {
        self.last += 1;
        self.numbers.insert(claim.clone(), self.last).is_some()
    }

    /// The number of the last delivery: a call that begins now speaks of this one, and of those before it.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether this claim was delivered after a call that began at this number.
    pub(super) fn is_newer(&self, claim: &Claim, number: u64) -> bool {
        self.numbers.get(claim).is_some_and(|own| *own > number)
    }

    /// Whether this claim is still that of a delivery that a call knew of which began at this number.
    pub(super) fn is_still(&self, claim: &Claim, number: u64) -> bool {
        self.numbers.get(claim).is_some_and(|own| *own <= number)
    }

    /// Lets go of a claim, for a call that says so and began at this number. Answers whether it spoke of this delivery; if it spoke
    /// of an earlier one, nothing happens.
    pub(super) fn remove(&mut self, claim: &Claim, number: u64) -> bool {
        match self.numbers.remove_entry(claim) {
            Some((claim, own)) if own > number => {
                self.numbers.insert(claim, own);
                false
            }
            removed => removed.is_some(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// All claims but those whose end was tried, by a call that began at this number.
    pub(super) fn without(&self, tried: &[Completion], number: u64) -> Vec<Claim> {
        let tried: HashSet<&Claim> = tried.iter().map(|completion| &completion.claim).collect();
        let is_held = |(claim, own): &(&Claim, &u64)| **own > number || !tried.contains(claim);
        self.numbers.iter().filter(is_held).map(|(claim, _)| claim.clone()).collect()
    }
}

impl Consumer {
    /// Takes in what a fetch brought. A claim that is delivered once more was lost before, whether this worker has heard of it or not.
    pub(super) fn add_claims<'a>(&mut self, claims: impl Iterator<Item = &'a Claim>) {
        let again: Vec<Claim> = claims.filter(|claim| self.claims.add(claim)).cloned().collect();
        self.lose(&again);
    }

    /// The claims whose end was not tried yet.
    pub(super) fn open_claims(&self) -> Vec<Claim> {
        self.claims.without(&self.sent, self.sent_at)
    }

    /// Others were given these: what waits is forgotten, what runs is told to stop, and what has ended counts for nothing.
    pub(super) fn lose(&mut self, lost: &[Claim]) {
        if lost.is_empty() {
            return;
        }
        let lost: HashSet<&Claim> = lost.iter().collect();
        let is_lost = |ended: &mut Ended| lost.contains(ended.claim());
        let unfinished: Vec<_> = self.unfinished.extract_if(.., is_lost).collect();
        let refused: Vec<_> = self.refused.extract_if(.., is_lost).collect();
        let (running, mut ended) = self.local_queue.lose(&lost);
        ended += refused.len();
        // Those whose answer was lost have more likely been stored than given to others.
        if !self.repeated {
            ended += unfinished.len();
        }
        for ended in unfinished.into_iter().chain(refused) {
            self.observe(ended.report, Some(Settled::ClaimLost));
        }
        if running > 0 {
            let claims = if running == 1 { "its claim was" } else { "their claims were" };
            warn!(target: "common::worker", "{running} running: {claims} taken over after missed heartbeats; told to stop");
        }
        if ended > 0 {
            warn_of_rejected(ended);
        }
    }
}
