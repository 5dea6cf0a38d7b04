//! Claims that a store has and their worker does not know of, because the answer that brought them was lost.
//!
//! A worker may be about to hear of a claim while it beats, or about to end one that it does not count any more, and such a
//! call may take long where the network is slow. So nothing is requeued while a call is under way that had begun before the
//! claim was seen, nor soon after it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::store::{Claim, Completion};

/// After this long, a worker has heard of what a call brought, and nothing that was given up arrives any more.
const ORPHANED_AFTER: Duration = Duration::from_secs(4);

/// What a worker believes to hold and does not, and what it holds and does not know of.
pub(in crate::stores) fn compare(held: &[Claim], claims: &[Claim]) -> (Vec<Claim>, Vec<Claim>) {
    let beyond = |some: &[Claim], others: &[Claim]| -> Vec<Claim> {
        let others: HashSet<&Claim> = others.iter().collect();
        some.iter().filter(|claim| !others.contains(claim)).cloned().collect()
    };
    (beyond(held, claims), beyond(claims, held))
}

/// The claims of one worker that it did not know of.
#[derive(Debug, Default)]
pub(in crate::stores) struct OrphanedClaims {
    /// Since when.
    claims: HashMap<Claim, Duration>,
    /// When the calls began that are under way, of those that may take long.
    calls: Vec<Duration>,
}

impl OrphanedClaims {
    /// The worker does know of these claims: it tries to end them.
    pub(in crate::stores) fn remember(&mut self, completions: &[Completion]) {
        if !self.claims.is_empty() {
            for completion in completions {
                self.claims.remove(&completion.claim);
            }
        }
    }

    /// A call has begun that may bring claims or end them.
    pub(in crate::stores) fn begin_call(&mut self, uptime: Duration) {
        self.calls.push(uptime);
    }

    /// A call is over that had begun at `since`, answered or not.
    pub(in crate::stores) fn end_call(&mut self, since: Duration, uptime: Duration) {
        if let Some(place) = self.calls.iter().position(|call| *call == since) {
            self.calls.swap_remove(place);
        }
        for seen in self.claims.values_mut().filter(|seen| **seen >= since) {
            *seen = uptime;
        }
    }

    /// Takes in which claims the worker does not know of, and says which of them it cannot come to know any more.
    pub(in crate::stores) fn forgotten(&mut self, uptime: Duration, orphaned: Vec<Claim>) -> Vec<Claim> {
        let known = std::mem::take(&mut self.claims);
        let since = |claim: &Claim| known.get(claim).copied().unwrap_or(uptime);
        let is_over = |claim: &Claim| {
            let since = since(claim);
            uptime.saturating_sub(since) > ORPHANED_AFTER && self.calls.iter().all(|call| *call > since)
        };
        // What goes back may be claimed again, by a call that is under way then.
        let (mut forgotten, left): (Vec<_>, Vec<_>) = orphaned.into_iter().partition(is_over);
        self.claims = left.into_iter().map(|claim| (claim.clone(), since(&claim))).collect();
        forgotten.sort_unstable();
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::queue_name::QueueName;
    use crate::store::Disposition;

    #[test]
    fn only_what_stays_unknown_for_long_is_forgotten() {
        let claim = |id: &str| Claim { queue: QueueName::default(), id: Arc::from(id) };
        let mut orphaned = OrphanedClaims::default();
        let at = Duration::from_secs;
        assert_eq!(orphaned.forgotten(at(0), vec![claim("a"), claim("b"), claim("c")]), []);
        orphaned.remember(&[Completion { claim: claim("b"), disposition: Disposition::Ack, effects: Vec::new() }]);
        assert_eq!(orphaned.forgotten(at(3), vec![claim("a"), claim("b")]), []);
        assert_eq!(orphaned.forgotten(at(5), vec![claim("a"), claim("b"), claim("c")]), [claim("a")]);
        assert_eq!(orphaned.forgotten(at(6), vec![claim("a")]), [], "it was claimed once more");
    }

    #[test]
    fn what_a_long_call_may_bring_is_not_forgotten() {
        let claim = || vec![Claim { queue: QueueName::default(), id: Arc::from("a") }];
        let (mut orphaned, at) = (OrphanedClaims::default(), Duration::from_secs);
        orphaned.begin_call(at(0));
        for seconds in 1..20 {
            assert_eq!(orphaned.forgotten(at(seconds), claim()), []);
        }
        orphaned.end_call(at(0), at(20));
        assert_eq!(orphaned.forgotten(at(21), claim()), [], "the worker may be about to hear of it");
        // What began later cannot bring it.
        orphaned.begin_call(at(22));
        assert_eq!(orphaned.forgotten(at(25), claim()), claim());
    }
}
