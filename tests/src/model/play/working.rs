//! Workers: joining, fetching, beating, and what else becomes of them.

use super::{Hand, Held, Kind, Operation, Play, Wrong, refused};
use crate::model::places::{Item, Move};
use common::{
    error::StoreError,
    store::{Claim, Delivery, Want},
};

impl Play {
    pub(super) async fn join(&mut self, operation: Operation) -> Result<(), Wrong> {
        let queues = match operation.pick(0, 4) {
            0 => self.queues[..1].to_vec(),
            1 => self.queues[1..].to_vec(),
            _ => self.queues.clone(),
        };
        let lease = self.store.join(&queues).await.map_err(refused)?;
        let worker = self.places.join(lease.worker.as_str(), &queues);
        self.hands.push(Hand { lease, held: Vec::new(), past: Vec::new(), is_alive: true, is_asleep: false, runs: 0 });
        self.tell(|| format!("worker {worker} joins {queues:?}"));
        Ok(())
    }

    pub(super) async fn fetch(&mut self, operation: Operation) -> Result<(), Wrong> {
        let worker = self.one_of(operation, |_| true)?;
        let lease = self.hands[worker].lease.clone();
        let count = 1 + operation.pick(1, 4);
        let wants: Vec<Want> = lease.queues.iter().map(|queue| Want { queue: queue.clone(), count }).collect();
        // What is cancelled dies where it is fetched: whether it was its turn, nobody could say.
        let is_limited = operation.pick(2, 3) == 0 && !self.places.has_cancelled(&wants);
        let limit = if is_limited { 1 + operation.pick(2, 3 * 2 * count) / 3 } else { usize::MAX };
        let fetched = match self.store.fetch(&lease, &wants, limit).await {
            Ok(fetched) => fetched,
            Err(StoreError::Stranger) if !self.places.workers[worker].is_registered => {
                self.places.happened(Move::Strange, 1);
                self.tell(|| format!("worker {worker} fetches: a stranger"));
                return Ok(());
            }
            Err(error) => {
                self.tell(|| format!("worker {worker} fetches {count} of each{}: {error}", at_most(limit)));
                let done = self.places.shares(&wants, limit).into_iter().map(|wants| {
                    let mut done = self.places.clone();
                    done.fetched_unseen(worker, &wants);
                    done
                });
                return self.settle([self.places.clone()].into_iter().chain(done).collect()).await;
            }
        };
        let is_lost = operation.kind == Kind::FetchUnanswered;
        self.tell(|| {
            let lost = if is_lost { ", and the answer is lost" } else { "" };
            format!("worker {worker} fetches {count} of each{}: {}{lost}", at_most(limit), numbers(&fetched.deliveries))
        });
        if !self.places.workers[worker].is_registered {
            return Err(Wrong("a stranger fetched".to_owned()));
        }
        self.places.fetched(worker, &wants, limit, &fetched)?;
        if !is_lost {
            let mut held: Vec<Held> =
                fetched.deliveries.into_iter().filter_map(|delivery| self.hold(delivery)).collect();
            let hand = &mut self.hands[worker];
            for held in &mut held {
                hand.runs += 1;
                held.run = hand.runs;
            }
            // What it has still, as it believes, it had given back, or lost without a word: that was an earlier run.
            let is_again = |known: &mut Held| held.iter().any(|new| new.claim == known.claim);
            hand.past.extend(hand.held.extract_if(.., is_again));
            hand.held.extend(held);
        }
        Ok(())
    }

    /// What a worker holds; where it cannot be read, with what stands for it.
    fn hold(&self, delivery: Delivery) -> Option<Held> {
        let Delivery { claim, body, marked, .. } = delivery;
        let is_it = |item: &&Item| item.queue == claim.queue && item.name.as_ref() == Some(&claim.id);
        let stand_in = || self.places.items.iter().find(is_it).map(|item| item.message.clone());
        let message = body.ok().or_else(stand_in)?;
        Some(Held { claim, message, run: 0, waits: !marked })
    }

    /// Records that a worker is about to run one of the messages that it holds; some hold it no more.
    pub(super) async fn start(&mut self, operation: Operation) -> Result<(), Wrong> {
        let worker = self.one_of(operation, |hand| !hand.held.is_empty())?;
        let hand = &mut self.hands[worker];
        let nth = operation.pick(1, hand.held.len());
        hand.held[nth].waits = false;
        let claim = hand.held[nth].claim.clone();
        // Whoever does not know whether it is recorded says so again.
        for _ in 0..=operation.pick(2, 2) {
            let told =
                self.store.start(&self.hands[worker].lease, std::slice::from_ref(&claim)).await.map_err(refused)?;
            self.tell(|| format!("worker {worker} starts {}: {told:?}", claim.id));
            self.places.started(worker, &claim, told == [true])?;
        }
        Ok(())
    }

    pub(super) async fn beat(&mut self, worker: usize) -> Result<(), Wrong> {
        let held: Vec<Claim> = self.hands[worker].held.iter().map(|held| held.claim.clone()).collect();
        // Every other one has started without a word by now, as what is unmarked does.
        let waits = |held: &&Held| held.waits && held.message.message_id.as_str().ends_with(['0', '2', '4', '6', '8']);
        let waiting: Vec<Claim> = self.hands[worker].held.iter().filter(waits).map(|held| held.claim.clone()).collect();
        let beat = match self.store.beat(&self.hands[worker].lease, &held, &waiting).await {
            Ok(beat) => beat,
            Err(error) => {
                self.tell(|| format!("  worker {worker} beats: {error}"));
                let mut done = self.places.clone();
                done.beaten_unseen(worker, &held, &waiting);
                return self.settle(vec![self.places.clone(), done]).await;
            }
        };
        let (moved, lost, cancelled) = (beat.moved, beat.lost.len(), beat.cancelled.len());
        if moved + lost + cancelled > 0 {
            self.tell(|| format!("  worker {worker} beats: {moved} moved, {lost} lost, {cancelled} cancelled"));
        }
        let hand = &mut self.hands[worker];
        let lost = |held: &mut Held| beat.lost.contains(&held.claim);
        hand.past.extend(hand.held.extract_if(.., lost));
        self.places.beaten(worker, &held, &waiting, &beat)
    }

    /// A worker dies, stands still, goes on or leaves.
    pub(super) async fn fare(&mut self, operation: Operation) -> Result<(), Wrong> {
        let kind = operation.kind;
        let worker = match kind {
            Kind::Sleep => self.one_of(operation, |hand| !hand.is_asleep)?,
            Kind::Wake => self.one_of(operation, |hand| hand.is_asleep)?,
            // One that stands still as well: it may be the one that is taken for dead meanwhile.
            _ => self.one_of(operation, |_| true)?,
        };
        self.tell(|| format!("{kind}: {worker}"));
        let hand = &mut self.hands[worker];
        match kind {
            Kind::Sleep => hand.is_asleep = true,
            Kind::Wake => {
                hand.is_asleep = false;
                self.beat(worker).await?;
            }
            Kind::Leave => {
                hand.is_alive = false;
                self.store.leave(&hand.lease).await.map_err(refused)?;
                self.places.leave(worker);
            }
            _ => hand.is_alive = false,
        }
        Ok(())
    }
}

/// A limit for people.
fn at_most(limit: usize) -> String {
    if limit == usize::MAX { String::new() } else { format!(", {limit} in all") }
}

/// Deliveries for people.
fn numbers(deliveries: &[Delivery]) -> String {
    let one = |delivery: &Delivery| match &delivery.body {
        Ok(message) => message.to_string(),
        Err(error) => format!("{:?}", error.error),
    };
    format!("[{}]", deliveries.iter().map(one).collect::<Vec<_>>().join(", "))
}
