//! Claims that a store has and their worker does not know of, because the answer that brought them was lost.
//!
//! A worker may be about to hear of a claim while it beats, so nothing is given back before no call can be under way any more.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::{Claim, Ending};

/// After this long, no call that claimed something can still be under way.
const SURPLUS_AFTER: Duration = Duration::from_secs(4);

/// The claims of one worker that it did not know of, since when.
#[derive(Debug, Default)]
pub(super) struct Surplus(HashMap<Claim, Duration>);

impl Surplus {
    /// The worker does know of these claims: it tries to end them.
    pub(super) fn remember(&mut self, endings: &[Ending]) {
        if !self.0.is_empty() {
            for ending in endings {
                self.0.remove(&ending.claim);
            }
        }
    }

    /// Takes in which claims the worker does not know of, and says which of them it cannot come to know any more.
    pub(super) fn forgotten(&mut self, uptime: Duration, surplus: Vec<Claim>) -> Vec<Claim> {
        let known = std::mem::take(&mut self.0);
        let since = |claim: &Claim| known.get(claim).copied().unwrap_or(uptime);
        let is_over = |claim: &Claim| uptime.saturating_sub(since(claim)) > SURPLUS_AFTER;
        // What goes back may be claimed again, by a call that is under way then.
        let (mut forgotten, left): (Vec<_>, Vec<_>) = surplus.into_iter().partition(is_over);
        self.0 = left.into_iter().map(|claim| (claim.clone(), since(&claim))).collect();
        forgotten.sort_unstable();
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::queue_name::QueueName;
    use crate::store::Place;

    #[test]
    fn only_what_stays_unknown_for_long_is_forgotten() {
        let claim = |id: &str| Claim { queue: QueueName::default(), id: Arc::from(id) };
        let mut surplus = Surplus::default();
        let at = Duration::from_secs;
        assert_eq!(surplus.forgotten(at(0), vec![claim("a"), claim("b"), claim("c")]), []);
        surplus.remember(&[Ending { claim: claim("b"), place: Place::Gone, also: Vec::new() }]);
        assert_eq!(surplus.forgotten(at(3), vec![claim("a"), claim("b")]), []);
        assert_eq!(surplus.forgotten(at(5), vec![claim("a"), claim("b"), claim("c")]), [claim("a")]);
        assert_eq!(surplus.forgotten(at(6), vec![claim("a")]), [], "it was claimed once more");
    }
}
