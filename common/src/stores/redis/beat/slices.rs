//! The beat of a worker of many queues, a slice of them a call.
//!
//! A script holds up everybody, so one looks after [`SLICE`] queues at most. A worker of more of them renews all their fleets with
//! each beat, which costs little, and looks after some: those of which something is known (it holds messages of them, something
//! comes due, a waiting worker has seen something), and others in turn, so that none is left out for long.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::call::{Part, Seen};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Claim, Registration};
use crate::stores::redis::RedisStore;
use crate::stores::redis::duty::Wish;
use crate::stores::redis::limits::{MAX_ROUNDS, SLICE, is_many};

/// Queues that one beat looks after although nothing is known of them.
const IN_TURN: usize = 2_048;

/// Fleets that one call renews.
const FLEETS: usize = 128;

/// Calls that one beat has under way, so that a slow server has to answer few of them within one call's time limit.
const AT_ONCE: usize = 16;

/// What comes due so soon is looked after now: the store's time decides, and ours differs a little.
const SOON: Duration = Duration::from_millis(100);

/// What a worker of many queues knows of them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whether the store had its registration at the last beat; a long one is not sent again and again.
    pub(super) is_registered: bool,
    /// Where those in turn begin; drawn at first, so that several workers do not all begin with the same.
    next: Option<usize>,
    /// When the next message of a queue is due.
    due: HashMap<QueueName, Timestamp>,
    /// Queues in which the worker held something.
    claimed: HashSet<QueueName>,
}

impl Turns {
    /// Learns of one queue whether the worker holds something there, and when the next message is due.
    pub(super) fn see(&mut self, queue: &QueueName, is_claimed: bool, due: Option<Timestamp>) {
        if is_claimed {
            self.claimed.insert(queue.clone());
        } else {
            self.claimed.remove(queue);
        }
        match due {
            Some(due) => self.due.insert(queue.clone(), due),
            None => self.due.remove(queue),
        };
    }

    /// Which queues the beat at `now` looks after: `known`, those where something is to do, and others in turn.
    fn choose(&mut self, queues: &[QueueName], known: HashSet<QueueName>, now: Timestamp) -> Vec<QueueName> {
        let soon = now + SOON;
        let due = self.due.iter().filter(|(_, due)| **due <= soon).map(|(queue, _)| queue);
        let urgent: HashSet<_> = known.into_iter().chain(due.chain(&self.claimed).cloned()).collect();
        let start = self.next.unwrap_or_else(|| fastrand::usize(..queues.len())) % queues.len();
        self.next = Some(start + IN_TURN.min(queues.len()));
        let in_turn = (start..queues.len()).chain(0..start).take(IN_TURN);
        let others = in_turn.map(|at| &queues[at]).filter(|queue| !urgent.contains(*queue)).cloned();
        let mut chosen: Vec<_> = others.collect();
        chosen.extend(queues.iter().filter(|queue| urgent.contains(*queue)).cloned());
        chosen.reverse();
        chosen
    }
}

impl RedisStore {
    /// What a beat's calls saw, all together.
    pub(super) async fn upkeep(
        &self,
        registration: &Registration,
        held: &[Claim],
        with_expiry: bool,
        wish: Option<&Wish>,
    ) -> Result<Seen, StoreError> {
        let part = Part { with_expiry, ..Part::default() };
        if !is_many(registration) {
            return self
                .upkeep_of_slice(registration, &registration.queues, Part { with_peers: true, wish, ..part })
                .await;
        }
        let mut known = self.candidates.take_stirred();
        known.extend(held.iter().map(|claim| claim.queue.clone()));
        let now = self.clock.now();
        let chosen =
            self.with_upkeep(&registration.worker, |upkeep| upkeep.turns.choose(&registration.queues, known, now));
        let mut slices = chosen.chunks(SLICE);
        let first = slices.next().unwrap_or_default();
        let mut seen = self.upkeep_of_slice(registration, first, Part { wish, ..part }).await?;
        if !self.with_upkeep(&registration.worker, |upkeep| upkeep.turns.is_registered) {
            // Others took it for dead, and removed it.
            seen.add(self.send_beat(registration, &[], Part::default()).await?);
        }
        for renewed in
            together(registration.queues.chunks(FLEETS).map(|queues| self.renew_fleets(registration, queues))).await
        {
            renewed?;
        }
        let count = slices.len();
        // Peers are looked at once, when all own fleets live.
        let calls = slices
            .enumerate()
            .map(|(at, slice)| self.upkeep_of_slice(registration, slice, Part { with_peers: at + 1 == count, ..part }));
        for other in together(calls).await {
            seen.add(other?);
        }
        seen.next_due = self.with_upkeep(&registration.worker, |upkeep| upkeep.turns.due.values().min().copied());
        Ok(seen)
    }

    /// The calls for one slice: more than one only where there is more to do.
    async fn upkeep_of_slice(
        &self,
        registration: &Registration,
        slice: &[QueueName],
        part: Part<'_>,
    ) -> Result<Seen, StoreError> {
        let asked_at = self.clock.uptime();
        let mut first = self.send_beat(registration, slice, part).await?;
        self.clock.follow(first.now, asked_at);
        for _ in 0..MAX_ROUNDS {
            if !first.has_more {
                break;
            }
            let again = self.send_beat(registration, slice, Part { wish: None, ..part }).await?;
            first.moved += again.moved;
            first.next_due = again.next_due;
            first.has_more = again.has_more;
        }
        Ok(first)
    }

    async fn renew_fleets(&self, registration: &Registration, queues: &[QueueName]) -> Result<(), StoreError> {
        let mut call = self.script(&self.scripts.fleets);
        call.text(registration.worker.as_str());
        for queue in queues {
            call.text(queue.as_str()).text(&self.keys.fleet(queue));
        }
        call.run::<String>(&self.pulse).await?;
        Ok(())
    }
}

/// Waits for all of them; [`AT_ONCE`] go on side by side.
async fn together<F: Future>(mut futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut done = Vec::new();
    loop {
        let some = side_by_side(futures.by_ref().take(AT_ONCE)).await;
        if some.is_empty() {
            return done;
        }
        done.extend(some);
    }
}

async fn side_by_side<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_its_turn_and_those_where_something_is_to_do_always() {
        let queues: Vec<_> = (0..10_000).map(|at| QueueName::canonical(&format!("q{at}"))).collect();
        let mut turns = Turns::default();
        let at = Timestamp::from_millis;
        turns.see(&queues[1], true, None);
        turns.see(&queues[2], false, Some(at(1_050)));
        turns.see(&queues[3], false, Some(at(9_000)));
        let mut seen = HashSet::new();
        for round in 0..5 {
            let chosen = turns.choose(&queues, HashSet::from([queues[4].clone()]), at(1_000));
            assert!(chosen.len() <= IN_TURN + 3, "{}", chosen.len());
            for known in [1, 2, 4] {
                assert!(chosen.contains(&queues[known]), "q{known} in round {round}");
            }
            seen.extend(chosen);
        }
        assert_eq!(seen.len(), queues.len());
    }
}
