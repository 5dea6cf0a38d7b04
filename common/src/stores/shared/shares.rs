//! How several queues share what a worker wants of all of them together.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::store::FetchRequest;

/// Whose turn it is where a fetch cannot come to all queues: the next one begins where the last one stopped.
#[derive(Debug, Default)]
pub(in crate::stores) struct Turns(AtomicUsize);

impl Turns {
    /// Where the next fetch from so many queues begins.
    pub(in crate::stores) fn start(&self, queues: usize) -> usize {
        if queues == 0 { 0 } else { self.0.load(Ordering::Relaxed) % queues }
    }

    /// The next fetch begins there.
    pub(in crate::stores) fn set(&self, start: usize) {
        self.0.store(start, Ordering::Relaxed);
    }
}

/// How many bytes of bodies one fetch brings, or one message: more would hold up everybody else for long.
pub(in crate::stores) const FETCH_BYTES: usize = 4 << 20;

/// What room there is left in one fetch.
#[derive(Clone, Copy, Debug)]
pub(in crate::stores) struct Room {
    left: usize,
    is_untouched: bool,
    is_full: bool,
}

impl Room {
    fn new() -> Self {
        Self { left: FETCH_BYTES, is_untouched: true, is_full: false }
    }

    /// Whether whatever comes first fits, as nothing else is there.
    #[cfg(feature = "sqlite")]
    pub(in crate::stores) fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    /// Whether so many bytes fit, which take their room then. Nothing comes after what does not fit.
    pub(in crate::stores) fn take(&mut self, bytes: usize) -> bool {
        if !self.is_untouched && bytes > self.left {
            self.is_full = true;
        }
        if self.is_full {
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        self.is_untouched = false;
        true
    }
}

/// What queues gave.
#[derive(Debug)]
pub(in crate::stores) struct Shared<T> {
    pub(in crate::stores) taken: Vec<T>,
    /// Whether they may have more.
    pub(in crate::stores) more: bool,
    /// Where the next fetch begins.
    pub(in crate::stores) next: usize,
}

impl<T> Shared<T> {
    /// The next one of the queue at `at` had no room any more: of `of` queues the one after it is next, or itself where it gave
    /// nothing.
    fn full(mut self, at: usize, of: usize, given: Vec<T>) -> Self {
        self.next = if given.is_empty() { at } else { (at + 1) % of };
        self.more = true;
        self.taken.extend(given);
        self
    }
}

/// Lets `take` take from one queue after the other, from `start` on, at most `limit` in all, and as many as there is room for: a
/// share of each, and then the rest from those that have more.
pub(in crate::stores) fn share<T, E>(
    requests: &[FetchRequest],
    limit: usize,
    start: usize,
    mut take: impl FnMut(&FetchRequest, &mut Room) -> Result<Vec<T>, E>,
) -> Result<Shared<T>, E> {
    let mut room = Room::new();
    let mut shared = Shared { taken: Vec::new(), more: false, next: start };
    let share = limit.div_ceil(requests.len().max(1));
    let mut left = limit;
    let mut full = Vec::new();
    for at in (start..requests.len()).chain(0..start) {
        if left == 0 {
            // Its turn did not come.
            (shared.more, shared.next) = (true, at);
            break;
        }
        let count = requests[at].count.min(share).min(left);
        let given = take(&FetchRequest { count, ..requests[at].clone() }, &mut room)?;
        if room.is_full {
            return Ok(shared.full(at, requests.len(), given));
        }
        left -= given.len().min(left);
        if given.len() >= count {
            full.push((at, requests[at].count - count));
        }
        shared.taken.extend(given);
    }
    for (at, rest) in full {
        let count = rest.min(left);
        let given =
            if count > 0 { take(&FetchRequest { count, ..requests[at].clone() }, &mut room)? } else { Vec::new() };
        if room.is_full {
            return Ok(shared.full(at, requests.len(), given));
        }
        left -= given.len().min(left);
        shared.more |= given.len() >= count;
        shared.taken.extend(given);
    }
    Ok(shared)
}

/// The same with what cannot fail.
pub(in crate::stores) fn share_all<T>(
    requests: &[FetchRequest],
    limit: usize,
    start: usize,
    mut take: impl FnMut(&FetchRequest, &mut Room) -> Vec<T>,
) -> Shared<T> {
    let shared: Result<_, Infallible> = share(requests, limit, start, |want, room| Ok(take(want, room)));
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
        let requests: Vec<_> =
            (0..there.len()).map(|at| FetchRequest { queue: name(at), count: wanted, before: None }).collect();
        let mut left = there.to_vec();
        let shared = share_all(&requests, limit, start, |want, _| {
            let at = requests.iter().position(|known| known.queue == want.queue).unwrap();
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
    fn what_has_no_room_waits_and_is_first_the_next_time() {
        let name = |at: usize| QueueName::canonical(&format!("q{at}"));
        let requests: Vec<_> = (0..3).map(|at| FetchRequest { queue: name(at), count: 2, before: None }).collect();
        // Each queue has two of this size.
        let shared = |size: usize, start| {
            let shared = share_all(&requests, 6, start, |want, room| {
                let fit = (0..2).filter(|_| room.take(size)).count();
                vec![want.queue.to_string(); fit]
            });
            (shared.taken, shared.more, shared.next)
        };
        assert_eq!(shared(FETCH_BYTES + 1, 1), (vec!["q1".to_owned()], true, 2));
        assert_eq!(shared(FETCH_BYTES / 2, 1), (vec!["q1".to_owned(); 2], true, 2));
        assert_eq!(shared(FETCH_BYTES / 6, 2).0.len(), 6);
    }

    #[test]
    fn those_whose_turn_did_not_come_are_first_the_next_time() {
        assert_eq!(shared(&[9, 9, 9, 9, 9], 3, 3, 0), (vec![1, 1, 1, 0, 0], true, 3));
        assert_eq!(shared(&[9, 9, 9, 9, 9], 3, 3, 3), (vec![1, 0, 0, 1, 1], true, 1));
    }
}
