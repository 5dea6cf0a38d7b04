//! The store inside of one process: for tests, and for demonstrations that need no service.
//!
//! It keeps encoded bytes, so that what cannot travel fails here as well. Nothing of it survives the process.

mod limiters;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use self::world::World;
use super::shared::batch::{order, wake};
use super::shared::liveness::Liveness;
use super::shared::registered::Registered;
use super::shared::seats::Seats;
use super::shared::shares::{Turns, share_all};
use crate::clock::{Clock, Timestamp};
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Beat, Boxed, Cancelled, Claim, Completion, Count, Counted, Counts, DeadLetter, FetchRequest, Fetched, Finished,
    GroupInfo, Inspect, Kept, Limiters, Look, Looked, MessageInfo, NewGroup, QueueInfo, Registration, Store, Unended,
    Wake, WorkerId, WorkerInfo,
};

/// A store inside of this process.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    clock: Clock,
    world: Arc<Mutex<World>>,
    /// Changes with every message that becomes ready or is held.
    news: watch::Sender<()>,
    registered: Arc<Registered<Upkeep>>,
    turns: Arc<Turns>,
    /// Who of those who wait listens.
    seats: Seats,
}

/// What the beats of one worker have seen.
#[derive(Debug, Default)]
struct Upkeep {
    liveness: Liveness,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            world: Arc::default(),
            news: watch::Sender::new(()),
            registered: Arc::default(),
            turns: Arc::default(),
            seats: Seats::default(),
        }
    }

    /// An empty store that remembers every message that is enqueued.
    #[must_use]
    pub fn recording(clock: Clock) -> Self {
        let store = Self::new(clock);
        store.world().record();
        store
    }

    /// What was enqueued so far, by senders and by the ends of runs, if the store remembers it.
    #[must_use]
    pub fn recorded(&self) -> Vec<Message> {
        self.world().recorded().to_vec()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // Nothing in `World` panics halfway through a change.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat_alone(&self, registration: &Registration, held: &[Claim], waiting: &[Claim]) -> Beat {
        let now = self.clock.now();
        let mut world = self.world();
        world.register(registration, waiting, now);
        let mut moved = registration.queues.iter().map(|queue| world.promote(queue, now)).sum();
        let silent = world.silent(&registration.worker, now);
        let uptime = self.clock.uptime();
        let claims = world.claims(&registration.worker);
        let compared = self.registered.compare(&registration.worker, held, &claims, &[], uptime);
        let is_back = !compared.forgotten.is_empty();
        finish_all(&mut world, registration, &compared.forgotten, now);
        let see = |upkeep: &mut Upkeep| upkeep.liveness.see(uptime, Duration::ZERO, &silent, true);
        let dead = self.registered.with(&registration.worker, see);
        for peer in &dead {
            moved += world.recover(&peer.id, now);
        }
        let cancelled = world.cancelled(&registration.worker);
        let next_due = world.next_due(&registration.queues);
        let is_ready = world.is_ready(&registration.queues);
        let unended = world.with_unended(&registration.queues);
        drop(world);
        if moved > 0 || is_back {
            self.news.send_replace(());
        }
        Beat { now, lost: compared.lost, cancelled, next_due, moved, ready: is_ready, unended }
    }

    fn is_news(&self, queues: &[QueueName], due: Option<Timestamp>) -> Option<Wake> {
        let world = self.world();
        wake(world.is_ready(queues), world.next_due(queues), due)
    }
}

fn finish_all(
    world: &mut World,
    registration: &Registration,
    completions: &[Completion],
    now: Timestamp,
) -> Vec<Finished> {
    let mut answers = vec![Finished::ClaimLost; completions.len()];
    for place in order(completions) {
        answers[place] = world.finish(&registration.worker, &completions[place], now);
    }
    answers
}

/// A result that is there at once.
fn ready<'a, T: Send + 'a>(result: T) -> Boxed<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Store for MemoryStore {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        let now = self.clock.now();
        let mut world = self.world();
        for message in messages {
            world.enqueue(message, now);
        }
        drop(world);
        self.news.send_replace(());
        ready(Ok(()))
    }

    fn register<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Registration, StoreError>> {
        let registration = Registration { worker: WorkerId::random(), queues: queues.to_vec() };
        self.registered.add(&registration.worker);
        self.world().register(&registration, &[], self.clock.now());
        ready(Ok(registration))
    }

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        let mut world = self.world();
        if !world.is_registered(&registration.worker) {
            return ready(Err(StoreError::NotRegistered));
        }
        let now = self.clock.now();
        let start = self.turns.start(requests.len());
        let shared =
            share_all(requests, limit, start, |request, room| world.fetch(&registration.worker, request, room, now));
        self.turns.set(shared.next);
        let next_due = world.next_due(&registration.queues);
        ready(Ok(Fetched { now, deliveries: shared.taken, next_due, more: shared.more }))
    }

    fn wait<'a>(&'a self, queues: &'a [QueueName], due: Option<Timestamp>) -> Boxed<'a, Wake> {
        Box::pin(async move {
            let _seat = self.seats.take(queues).await;
            let mut news = self.news.subscribe();
            loop {
                if let Some(wake) = self.is_news(queues, due) {
                    return wake;
                }
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = news.changed().await;
            }
        })
    }

    fn wait_for_priority<'a>(&'a self, queues: &'a [QueueName], before: i32) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut news = self.news.subscribe();
            while !self.world().is_ready_before(queues, before) {
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = news.changed().await;
            }
        })
    }

    fn open_group<'a>(&'a self, group: &'a NewGroup) -> Boxed<'a, Result<bool, StoreError>> {
        ready(Ok(self.world().open_group(group, self.clock.now())))
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Boxed<'a, Result<Vec<Finished>, StoreError>> {
        let now = self.clock.now();
        // Whoever tries to finish a message has not forgotten it.
        self.registered.remember(&registration.worker, completions);
        let mut world = self.world();
        let answers = finish_all(&mut world, registration, completions, now);
        drop(world);
        self.news.send_replace(());
        ready(Ok(answers))
    }

    fn start<'a>(
        &'a self,
        registration: &'a Registration,
        claims: &'a [Claim],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let (now, mut world) = (self.clock.now(), self.world());
        ready(Ok(claims.iter().map(|claim| world.start(&registration.worker, claim, now)).collect()))
    }

    fn keep<'a>(&'a self, values: &'a [Kept]) -> Boxed<'a, Vec<Result<(), StoreError>>> {
        let (now, mut world) = (self.clock.now(), self.world());
        for kept in values {
            world.keep(kept, now);
        }
        drop(world);
        self.news.send_replace(());
        ready(vec![Ok(()); values.len()])
    }

    fn count_members<'a>(&'a self, counts: &'a [Count]) -> Boxed<'a, Vec<Result<Counted, StoreError>>> {
        let (now, mut world) = (self.clock.now(), self.world());
        ready(counts.iter().map(|count| Ok(world.count(count, now))).collect())
    }

    fn unended<'a>(&'a self, queues: &'a [QueueName], limit: usize) -> Boxed<'a, Result<Vec<Unended>, StoreError>> {
        ready(Ok(self.world().unended(queues, limit)))
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(self.registered.beat(&registration.worker, async { Ok(self.beat_alone(registration, held, waiting)) }))
    }

    fn deregister<'a>(&'a self, registration: &'a Registration) -> Boxed<'a, Result<(), StoreError>> {
        Box::pin(async {
            self.registered.remove(&registration.worker).await?;
            self.world().deregister(&registration.worker);
            Ok(())
        })
    }

    fn limiters(&self) -> Option<&dyn Limiters> {
        Some(self)
    }
}

impl Inspect for MemoryStore {
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueInfo>, StoreError>> {
        ready(Ok(self.world().queues(after, limit)))
    }

    fn queue<'a>(&'a self, name: &'a QueueName) -> Boxed<'a, Result<Option<QueueInfo>, StoreError>> {
        ready(Ok(self.world().queue(name)))
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        ready(Ok(self.world().counts(queue)))
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerInfo>, StoreError>> {
        ready(Ok(self.world().workers(after, limit, self.clock.now())))
    }

    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<MessageInfo>, StoreError>> {
        ready(Ok(self.world().find(id, depth)))
    }

    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        skip: usize,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<DeadLetter>, StoreError>> {
        ready(Ok(self.world().dead_letters(queue, skip, limit)))
    }

    fn requeue_dead<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let now = self.clock.now();
        let mut world = self.world();
        let requeued = letters.iter().map(|(name, message)| world.requeue_dead(queue, name, message, now)).collect();
        drop(world);
        self.news.send_replace(());
        ready(Ok(requeued))
    }

    fn delete<'a>(&'a self, queue: &'a QueueName, names: &'a [String]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let mut world = self.world();
        ready(Ok(names.iter().map(|name| world.delete(queue, name)).collect()))
    }

    fn cancel<'a>(
        &'a self,
        queue: &'a QueueName,
        name: &'a str,
        reason: &'a str,
    ) -> Boxed<'a, Result<Option<Cancelled>, StoreError>> {
        ready(Ok(self.world().cancel(queue, name, reason, self.clock.now())))
    }

    fn pause<'a>(&'a self, queue: &'a QueueName, paused: bool) -> Boxed<'a, Result<bool, StoreError>> {
        let is_new = self.world().pause(queue, paused);
        self.news.send_replace(());
        ready(Ok(is_new))
    }

    fn purge<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<usize, StoreError>> {
        ready(Ok(self.world().purge(queue)))
    }

    fn stored<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(Ok(self.world().stored(key, self.clock.now())))
    }

    fn look<'a>(&'a self, look: &'a Look) -> Boxed<'a, Result<Looked, StoreError>> {
        ready(Ok(self.world().look(look, self.clock.now())))
    }

    fn forget<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Result<usize, StoreError>> {
        let mut world = self.world();
        ready(Ok(keys.iter().filter(|key| world.forget(key, self.clock.now())).count()))
    }

    fn wait_stored<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut news = self.news.subscribe();
            while self.world().stored(key, self.clock.now()).is_none() {
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = news.changed().await;
            }
        })
    }

    fn group<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Option<GroupInfo>, StoreError>> {
        ready(Ok(self.world().group(name, self.clock.now())))
    }

    fn address(&self) -> String {
        "memory:".to_owned()
    }
}
