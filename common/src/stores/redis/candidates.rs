//! Which of a worker's queues a fetch asks.
//!
//! A script holds up everybody, so one asks [`ASKED`] queues at most, however many there are. Few queues are all asked, each
//! time. Of many, those are asked that may have something, as waiting, a beat or the last fetch has shown, and some of the others
//! in turn: so nothing that was not seen is missed for ever.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::queue_name::QueueName;
use crate::store::FetchRequest;

/// How many queues one fetch asks, at most.
pub(super) const ASKED: usize = 64;

/// How many of them nothing is known of, where there are more.
const UNKNOWN: usize = 16;

/// What is known of the queues of a store.
#[derive(Debug, Default)]
pub(super) struct Candidates(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Where something may come due earlier than a beat knows, or lies in the inbox.
    stirred: HashSet<QueueName>,
    /// What may have something; known where a worker has more queues than are asked at once.
    ready: HashSet<QueueName>,
    /// Whose turn it is, where not all have one.
    start: usize,
    /// The same for those that nothing is known of.
    start_of_unknown: usize,
}

/// The queues that one fetch asks.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) requests: Vec<&'a FetchRequest>,
    /// Where each of them stands among all.
    places: Vec<usize>,
    /// Whether others may have something, too.
    is_partial: bool,
    of: usize,
}

/// What a fetch found out about a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueAnswer {
    /// It gave all that it had.
    Empty,
    /// It gave as much as it was asked for.
    MayHaveMore,
    /// It may have something, and gave nothing: its turn did not come, or what it gave was not to be delivered.
    NothingYet,
}

impl Candidates {
    /// There may be something in these queues.
    pub(super) fn notice<'a>(&self, queues: impl IntoIterator<Item = &'a QueueName>) {
        let mut state = self.lock();
        state.ready.extend(queues.into_iter().cloned());
    }

    /// Something may come due earlier in these queues than a beat knows, so that the next one looks after them.
    pub(super) fn stir<'a>(&self, queues: impl IntoIterator<Item = &'a QueueName>) {
        let mut state = self.lock();
        state.stirred.extend(queues.into_iter().cloned());
    }

    pub(super) fn take_stirred(&self) -> HashSet<QueueName> {
        std::mem::take(&mut self.lock().stirred)
    }

    pub(super) fn choose<'a>(&self, requests: &'a [FetchRequest]) -> Asked<'a> {
        let mut state = self.lock();
        let all = requests.len();
        let in_turn = |start: usize| {
            let start = if all == 0 { 0 } else { start % all };
            (start..all).chain(0..start)
        };
        if all <= ASKED {
            let places: Vec<_> = in_turn(state.start).collect();
            return Asked {
                requests: places.iter().map(|at| &requests[*at]).collect(),
                places,
                is_partial: false,
                of: all,
            };
        }
        let mut is_partial = false;
        let mut places = Vec::with_capacity(ASKED);
        for at in in_turn(state.start).filter(|at| state.ready.contains(&requests[*at].queue)) {
            if places.len() == ASKED - UNKNOWN {
                is_partial = true;
                break;
            }
            places.push(at);
        }
        let unknown = in_turn(state.start_of_unknown).filter(|at| !state.ready.contains(&requests[*at].queue));
        let unknown: Vec<_> = unknown.take(UNKNOWN).collect();
        if let Some(last) = unknown.last() {
            state.start_of_unknown = last + 1;
        }
        places.extend(unknown);
        Asked { requests: places.iter().map(|at| &requests[*at]).collect(), places, is_partial, of: all }
    }

    /// Takes in what a fetch found out; answers whether another one may bring more.
    pub(super) fn learn(&self, asked: &Asked<'_>, answers: &[QueueAnswer]) -> bool {
        let mut state = self.lock();
        let is_many = asked.of > ASKED;
        let mut next = None;
        for ((request, at), answer) in asked.requests.iter().zip(&asked.places).zip(answers) {
            match answer {
                QueueAnswer::Empty if is_many => {
                    state.ready.remove(&request.queue);
                }
                QueueAnswer::MayHaveMore if is_many => {
                    state.ready.insert(request.queue.clone());
                }
                QueueAnswer::NothingYet => {
                    if is_many {
                        state.ready.insert(request.queue.clone());
                    }
                    next = next.or(Some(*at));
                }
                _ => {}
            }
        }
        if let Some(next) = next {
            state.start = next;
        } else if asked.is_partial {
            // After the last one that something is known of.
            state.start = asked.places.get(ASKED - UNKNOWN - 1).map_or(0, |last| last + 1);
        }
        asked.is_partial || answers.iter().any(|answer| *answer != QueueAnswer::Empty)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(count: usize) -> Vec<FetchRequest> {
        (0..count)
            .map(|at| FetchRequest { queue: QueueName::canonical(&format!("q{at}")), count: 1, before: None })
            .collect()
    }

    fn names(asked: &Asked<'_>) -> Vec<String> {
        asked.requests.iter().map(|request| request.queue.to_string()).collect()
    }

    #[test]
    fn few_queues_are_all_asked_from_the_one_that_is_next() {
        let (candidates, requests) = (Candidates::default(), requests(3));
        let asked = candidates.choose(&requests);
        assert_eq!(names(&asked), ["q0", "q1", "q2"]);
        assert!(
            candidates.learn(&asked, &[QueueAnswer::MayHaveMore, QueueAnswer::NothingYet, QueueAnswer::NothingYet])
        );
        let asked = candidates.choose(&requests);
        assert_eq!(names(&asked), ["q1", "q2", "q0"]);
        assert!(!candidates.learn(&asked, &[QueueAnswer::Empty; 3]));
    }

    #[test]
    fn of_many_those_are_asked_that_may_have_something_and_all_others_in_turn() {
        let (candidates, requests) = (Candidates::default(), requests(1_000));
        candidates.notice([&requests[700].queue]);
        let mut seen = HashSet::new();
        for _ in 0..1_000_usize.div_ceil(UNKNOWN) {
            let asked = candidates.choose(&requests);
            assert!(asked.requests.len() <= ASKED);
            assert_eq!(names(&asked)[0], "q700");
            seen.extend(names(&asked));
            let mut answers = vec![QueueAnswer::Empty; asked.requests.len()];
            answers[0] = QueueAnswer::MayHaveMore;
            assert!(candidates.learn(&asked, &answers));
        }
        assert_eq!(seen.len(), 1_000);
    }

    #[test]
    fn of_many_those_whose_turn_did_not_come_are_asked_the_next_time() {
        let (candidates, requests) = (Candidates::default(), requests(1_000));
        let asked = candidates.choose(&requests);
        let mut answers = vec![QueueAnswer::Empty; asked.requests.len()];
        answers[UNKNOWN - 1] = QueueAnswer::NothingYet;
        assert!(candidates.learn(&asked, &answers));
        assert_eq!(names(&candidates.choose(&requests))[0], "q15");
    }

    #[test]
    fn of_many_that_have_something_none_starves() {
        let (candidates, requests) = (Candidates::default(), requests(1_000));
        candidates.notice(requests.iter().map(|request| &request.queue));
        let mut seen = HashSet::new();
        for _ in 0..30 {
            let asked = candidates.choose(&requests);
            seen.extend(names(&asked));
            assert!(candidates.learn(&asked, &vec![QueueAnswer::MayHaveMore; asked.requests.len()]));
        }
        assert_eq!(seen.len(), 1_000);
    }
}
