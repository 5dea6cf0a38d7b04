//! Workers: registering, fetching, beating, and what else becomes of them.

use super::{DEEP, Held, Kind, Operation, Runner, RustWorker, Wrong, refused};
use crate::model::places::{Item, Move};
use common::{
    error::StoreError,
    queue_name::QueueName,
    store::{Claim, Completion, Delivery, Disposition, Effect, FetchRequest},
};

impl Runner {
    pub(super) async fn register(&mut self, operation: Operation) -> Result<(), Wrong> {
        let queues = match operation.pick(0, 4) {
            0 => self.queues[..1].to_vec(),
            1 => self.queues[1..].to_vec(),
            _ => self.queues.clone(),
        };
        let registration = self.store.register(&queues).await.map_err(refused)?;
        let worker = self.places.register(registration.worker.as_str(), &queues);
        self.workers.push(RustWorker {
            registration,
            held: Vec::new(),
            past: Vec::new(),
            is_alive: true,
            is_asleep: false,
            runs: 0,
        });
        self.tell(|| format!("worker {worker} registers for {queues:?}"));
        Ok(())
    }

    pub(super) async fn fetch(&mut self, operation: Operation) -> Result<(), Wrong> {
        let worker = self.one_of(operation, |_| true)?;
        let registration = self.workers[worker].registration.clone();
        let count = 1 + operation.pick(1, 4);
        let requests: Vec<FetchRequest> = registration
            .queues
            .iter()
            .map(|queue| FetchRequest { queue: queue.clone(), count, before: None })
            .collect();
        // What is cancelled dies where it is fetched: whether it was its turn, nobody could say.
        let is_limited = operation.pick(2, 3) == 0 && !self.places.has_cancelled(&requests);
        let limit = if is_limited { 1 + operation.pick(2, 3 * 2 * count) / 3 } else { usize::MAX };
        let fetched = match self.store.fetch(&registration, &requests, limit).await {
            Ok(fetched) => fetched,
            Err(StoreError::NotRegistered) if !self.places.workers[worker].is_registered => {
                self.places.happened(Move::Strange, 1);
                self.tell(|| format!("worker {worker} fetches: not registered"));
                return Ok(());
            }
            Err(error) => {
                self.tell(|| format!("worker {worker} fetches {count} of each{}: {error}", at_most(limit)));
                let done = self.places.shares(&requests, limit).into_iter().map(|requests| {
                    let mut done = self.places.clone();
                    done.fetched_unseen(worker, &requests);
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
            return Err(Wrong("one that is not registered fetched".to_owned()));
        }
        self.places.fetched(worker, &requests, limit, &fetched)?;
        if !is_lost {
            let mut held: Vec<Held> =
                fetched.deliveries.into_iter().filter_map(|delivery| self.hold(delivery)).collect();
            let own = &mut self.workers[worker];
            for held in &mut held {
                own.runs += 1;
                held.run = own.runs;
            }
            // What it has still, as it believes, it had requeued, or lost without a word: that was an earlier run.
            let is_again = |known: &mut Held| held.iter().any(|new| new.claim == known.claim);
            own.past.extend(own.held.extract_if(.., is_again));
            own.held.extend(held);
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
        let worker = self.one_of(operation, |own| !own.held.is_empty())?;
        let own = &mut self.workers[worker];
        let nth = operation.pick(1, own.held.len());
        own.held[nth].waits = false;
        let claim = own.held[nth].claim.clone();
        // Whoever does not know whether it is recorded says so again.
        for _ in 0..=operation.pick(2, 2) {
            let told = self
                .store
                .start(&self.workers[worker].registration, std::slice::from_ref(&claim))
                .await
                .map_err(refused)?;
            self.tell(|| format!("worker {worker} starts {}: {told:?}", claim.id));
            self.places.started(worker, &claim, told == [true])?;
        }
        Ok(())
    }

    pub(super) async fn beat(&mut self, worker: usize) -> Result<(), Wrong> {
        let held: Vec<Claim> = self.workers[worker].held.iter().map(|held| held.claim.clone()).collect();
        // Every other one has started without a word by now, as what is unmarked does.
        let waits = |held: &&Held| held.waits && held.message.message_id.as_str().ends_with(['0', '2', '4', '6', '8']);
        let waiting: Vec<Claim> =
            self.workers[worker].held.iter().filter(waits).map(|held| held.claim.clone()).collect();
        let beat = match self.store.beat(&self.workers[worker].registration, &held, &waiting).await {
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
        let own = &mut self.workers[worker];
        let lost = |held: &mut Held| beat.lost.contains(&held.claim);
        own.past.extend(own.held.extract_if(.., lost));
        self.places.beaten(worker, &held, &waiting, &beat)?;
        self.end_letters(worker, &beat.unended).await
    }

    /// A worker ends one of the messages that died in the store, and another one comes too late.
    async fn end_letters(&mut self, worker: usize, queues: &[QueueName]) -> Result<(), Wrong> {
        if queues.is_empty() {
            return Ok(());
        }
        let unended = self.store.unended(queues, DEEP).await.map_err(refused)?;
        let found = self.places.unended(queues, &unended)?;
        let (Some(letter), Some(at)) = (unended.first(), found.first()) else { return Ok(()) };
        let message = self.message(0);
        self.sent.push(message.clone());
        let effects = vec![Effect::Enqueue(message)];
        let completion = Completion { claim: letter.claim.clone(), disposition: Disposition::StaysDead, effects };
        for _ in 0..2 {
            let registration = &self.workers[worker].registration;
            let told = self.store.finish(registration, std::slice::from_ref(&completion)).await.map_err(refused)?;
            self.tell(|| format!("  worker {worker} ends {} in {}: {told:?}", letter.claim.id, letter.claim.queue));
            let told = told.first().ok_or_else(|| Wrong("an end without an answer".to_owned()))?;
            self.places.ended(*at, &completion, told)?;
        }
        Ok(())
    }

    /// A worker dies, stands still, goes on or deregisters.
    pub(super) async fn disturb(&mut self, operation: Operation) -> Result<(), Wrong> {
        let kind = operation.kind;
        let worker = match kind {
            Kind::Sleep => self.one_of(operation, |own| !own.is_asleep)?,
            Kind::Wake => self.one_of(operation, |own| own.is_asleep)?,
            // One that stands still as well: it may be the one that is taken for dead meanwhile.
            _ => self.one_of(operation, |_| true)?,
        };
        self.tell(|| format!("{kind}: {worker}"));
        let own = &mut self.workers[worker];
        match kind {
            Kind::Sleep => own.is_asleep = true,
            Kind::Wake => {
                own.is_asleep = false;
                self.beat(worker).await?;
            }
            Kind::Deregister => {
                own.is_alive = false;
                self.store.deregister(&own.registration).await.map_err(refused)?;
                self.places.deregister(worker);
            }
            _ => own.is_alive = false,
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
