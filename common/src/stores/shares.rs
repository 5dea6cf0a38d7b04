//! How several queues share what a worker wants of all of them together.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::store::Want;

/// Whose turn it is where a fetch cannot come to all queues: the next one begins where the last one stopped.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicUsize);

impl Turns {
    /// Where the next fetch from so many queues begins.
    pub(super) fn start(&self, queues: usize) -> usize {
        if queues == 0 { 0 } else { self.0.load(Ordering::Relaxed) % queues }
    }

    /// The next fetch begins there.
    pub(super) fn set(&self, start: usize) {
        self.0.store(start, Ordering::Relaxed);
    }
}

/// What queues gave.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) taken: Vec<T>,
    /// Whether they may have more.
    pub(super) more: bool,
    /// Where the next fetch begins.
    pub(super) next: usize,
}

/// Lets `take` take from one queue after the other, from `start` on, at most `limit` in all: a share of each, and then the rest
/// from those that have more.
pub(super) fn share<T, E>(
    wants: &[Want],
    limit: usize,
    start: usize,
    mut take: impl FnMut(&Want) -> Result<Vec<T>, E>,
) -> Result<Shared<T>, E> {
    let mut shared = Shared { taken: Vec::new(), more: false, next: start };
    let share = limit.div_ceil(wants.len().max(1));
    let mut left = limit;
    let mut full = Vec::new();
    for at in (start..wants.len()).chain(0..start) {
        if left == 0 {
            // Its turn did not come.
            (shared.more, shared.next) = (true, at);
            break;
        }
        let count = wants[at].count.min(share).min(left);
        let given = take(&Want { queue: wants[at].queue.clone(), count })?;
        left -= given.len().min(left);
        if given.len() >= count {
            full.push((at, wants[at].count - count));
        }
        shared.taken.extend(given);
    }
    for (at, rest) in full {
        let count = rest.min(left);
        let given = if count > 0 { take(&Want { queue: wants[at].queue.clone(), count })? } else { Vec::new() };
        left -= given.len().min(left);
        shared.more |= given.len() >= count;
        shared.taken.extend(given);
    }
    Ok(shared)
}

/// The same with what cannot fail.
pub(super) fn share_all<T>(
    wants: &[Want],
    limit: usize,
    start: usize,
    mut take: impl FnMut(&Want) -> Vec<T>,
) -> Shared<T> {
    let shared: Result<_, Infallible> = share(wants, limit, start, |want| Ok(take(want)));
    match shared {
        Ok(shared) => shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue_name::QueueName;

    /// Takes from queues `q0`, `q1`, … with so many messages each, and answers how many each gave.
    fn shared(there: &[usize], wanted: usize, limit: usize, start: usize) -> (Vec<usize>, bool, usize) {
        let name = |at: usize| QueueName::canonical(&format!("q{at}"));
        let wants: Vec<_> = (0..there.len()).map(|at| Want { queue: name(at), count: wanted }).collect();
        let mut left = there.to_vec();
        let shared = share_all(&wants, limit, start, |want| {
            let at = wants.iter().position(|known| known.queue == want.queue).unwrap();
            let given = want.count.min(left[at]);
            left[at] -= given;
            vec![at; given]
        });
        let gave = |at: usize| shared.taken.iter().filter(|from| **from == at).count();
        ((0..there.len()).map(gave).collect(), shared.more, shared.next)
    }

    #[test]
    fn each_gets_a_share_and_the_rest_goes_to_those_that_have_more() {
        assert_eq!(shared(&[9, 9, 9, 9], 8, 8, 0), (vec![2, 2, 2, 2], true, 0));
        assert_eq!(shared(&[0, 9, 1, 0], 8, 8, 0), (vec![0, 7, 1, 0], true, 0));
        assert_eq!(shared(&[0, 3, 1, 0], 8, 8, 0), (vec![0, 3, 1, 0], false, 0));
        assert_eq!(shared(&[9, 9], 2, usize::MAX, 0), (vec![2, 2], true, 0));
    }

    #[test]
    fn those_whose_turn_did_not_come_are_first_the_next_time() {
        assert_eq!(shared(&[9, 9, 9, 9, 9], 3, 3, 0), (vec![1, 1, 1, 0, 0], true, 3));
        assert_eq!(shared(&[9, 9, 9, 9, 9], 3, 3, 3), (vec![1, 0, 0, 1, 1], true, 1));
    }
}
