//! The store inside of one process: for tests, and for demonstrations that need no service.
//!
//! It keeps encoded bytes, so that what cannot travel fails here as well. Nothing of it survives the process.

mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use self::world::World;
use super::back::{give_back, order};
use super::joined::Joined;
use super::looks::Looks;
use super::seats::Seats;
use super::shares::{Turns, share_all};
use super::surplus::Surplus;
use crate::clock::{Clock, Timestamp};
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Answer, Beat, Boxed, Cancelled, Claim, Counts, DeadLetter, Ending, Fetched, Inspect, Lease, QueueSight, Sighting,
    Store, Wake, Want, WorkerId, WorkerSight,
};

/// A store inside of this process.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    clock: Clock,
    world: Arc<Mutex<World>>,
    /// Changes with every message that becomes ready or is held.
    news: watch::Sender<()>,
    joined: Arc<Joined<Upkeep>>,
    turns: Arc<Turns>,
    /// Who of those who wait listens.
    seats: Seats,
}

/// What the beats of one worker have seen.
#[derive(Debug, Default)]
struct Upkeep {
    /// Of the others.
    looks: Looks,
    /// Of what it holds itself.
    surplus: Surplus,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            world: Arc::default(),
            news: watch::Sender::new(()),
            joined: Arc::default(),
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

    fn beat_alone(&self, lease: &Lease, held: &[Claim], waiting: &[Claim]) -> Beat {
        let now = self.clock.now();
        let mut world = self.world();
        world.register(lease, waiting, now);
        let mut moved = lease.queues.iter().map(|queue| world.promote(queue, now)).sum();
        let silent = world.silent(&lease.worker, now);
        let surplus = world.surplus(&lease.worker, held);
        let uptime = self.clock.uptime();
        let (dead, forgotten) = self.joined.with(&lease.worker, |upkeep| {
            (upkeep.looks.see(uptime, Duration::ZERO, &silent, true), upkeep.surplus.forgotten(uptime, surplus))
        });
        let is_back = !forgotten.is_empty();
        finish_all(&mut world, lease, &give_back(forgotten), now);
        for peer in &dead {
            moved += world.recover(&peer.id, now);
        }
        let lost = world.not_held(&lease.worker, held);
        let cancelled = world.cancelled(&lease.worker);
        let next_due = world.next_due(&lease.queues);
        let is_ready = world.is_ready(&lease.queues);
        drop(world);
        if moved > 0 || is_back {
            self.news.send_replace(());
        }
        Beat { now, lost, cancelled, next_due, moved, ready: is_ready }
    }

    fn is_news(&self, queues: &[QueueName], due: Option<Timestamp>) -> Option<Wake> {
        let world = self.world();
        if world.is_ready(queues) {
            return Some(Wake::Ready);
        }
        let next = world.next_due(queues)?;
        due.is_none_or(|due| next < due).then_some(Wake::Due)
    }
}

fn finish_all(world: &mut World, lease: &Lease, endings: &[Ending], now: Timestamp) -> Vec<Answer> {
    let mut answers = vec![Answer::Unknown; endings.len()];
    for place in order(endings) {
        answers[place] = world.finish(&lease.worker, &endings[place], now);
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

    fn join<'a>(&'a self, queues: &'a [QueueName]) -> Boxed<'a, Result<Lease, StoreError>> {
        let lease = Lease { worker: WorkerId::random(), queues: queues.to_vec() };
        self.joined.join(&lease.worker);
        self.world().register(&lease, &[], self.clock.now());
        ready(Ok(lease))
    }

    fn fetch<'a>(
        &'a self,
        lease: &'a Lease,
        wants: &'a [Want],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        let mut world = self.world();
        if !world.is_registered(&lease.worker) {
            return ready(Err(StoreError::Stranger));
        }
        let now = self.clock.now();
        let start = self.turns.start(wants.len());
        let shared = share_all(wants, limit, start, |want, room| world.fetch(&lease.worker, want, room, now));
        self.turns.set(shared.next);
        let next_due = world.next_due(&lease.queues);
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

    fn finish<'a>(&'a self, lease: &'a Lease, endings: &'a [Ending]) -> Boxed<'a, Result<Vec<Answer>, StoreError>> {
        let now = self.clock.now();
        // Whoever tries to finish a message has not forgotten it.
        self.joined.with(&lease.worker, |upkeep| upkeep.surplus.remember(endings));
        let mut world = self.world();
        let answers = finish_all(&mut world, lease, endings, now);
        drop(world);
        self.news.send_replace(());
        ready(Ok(answers))
    }

    fn start<'a>(&'a self, lease: &'a Lease, claims: &'a [Claim]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let (now, mut world) = (self.clock.now(), self.world());
        ready(Ok(claims.iter().map(|claim| world.start(&lease.worker, claim, now)).collect()))
    }

    fn beat<'a>(
        &'a self,
        lease: &'a Lease,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Boxed<'a, Result<Beat, StoreError>> {
        Box::pin(self.joined.beat(&lease.worker, async { Ok(self.beat_alone(lease, held, waiting)) }))
    }

    fn leave<'a>(&'a self, lease: &'a Lease) -> Boxed<'a, Result<(), StoreError>> {
        Box::pin(async {
            self.joined.leave(&lease.worker).await?;
            self.world().leave(&lease.worker);
            Ok(())
        })
    }
}

impl Inspect for MemoryStore {
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueSight>, StoreError>> {
        ready(Ok(self.world().queues(after, limit)))
    }

    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>> {
        ready(Ok(self.world().counts(queue)))
    }

    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerSight>, StoreError>> {
        ready(Ok(self.world().workers(after, limit, self.clock.now())))
    }

    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<Sighting>, StoreError>> {
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

    fn revive<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let now = self.clock.now();
        let mut world = self.world();
        let revived = letters.iter().map(|(name, message)| world.revive(queue, name, message, now)).collect();
        drop(world);
        self.news.send_replace(());
        ready(Ok(revived))
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

    fn address(&self) -> String {
        "memory:".to_owned()
    }
}
