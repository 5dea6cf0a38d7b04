//! Waiting: who writes rings a bell, and who waits looks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;

use super::SqliteStore;
use super::moves::Tx;
use super::queries::{is_ready, is_ready_before, next_due};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::Wake;
use crate::stores::shared::batch::wake;

/// How far apart those who heard a ring look for what has come, at least, and how long the last one waits at most.
const STAGGER: Duration = Duration::from_micros(200);
const LONGEST_STAGGER: Duration = Duration::from_millis(500);

/// How far apart a worker that has something to run looks for what goes before it, at least.
const AHEAD_EVERY: Duration = Duration::from_millis(10);

/// What tokio's timer makes of anything shorter.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// How many of them come so close to each other; those after them come further apart by this factor, and hear of what rings
/// meanwhile by one look.
const FIRST: f64 = 8.0;
const FURTHER: f64 = 4.0;

pub(super) async fn run(store: &SqliteStore, queues: &[QueueName], due: Option<Timestamp>) -> Wake {
    let _seat = store.seats.take(queues).await;
    let mut news = store.bell.listen();
    loop {
        // Before the look, so that no news fall in between; and each time, as whoever beats meanwhile never waits for long.
        store.bell.repair();
        news.borrow_and_update();
        // What cannot be looked at now is told by the next beat.
        let watch = Stopwatch::start();
        let found = store.check(queues, due).await;
        let took = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        store.look_took.store(took, Ordering::Relaxed);
        if let Ok(Some(wake)) = found {
            return wake;
        }
        // The sender lives in `store`, so the channel cannot close under us.
        let is_rung = tokio::time::timeout(super::SAFETY_LOOK, news.changed()).await.is_ok();
        if is_rung && let Some(pause) = store.stagger() {
            Clock::system().sleep(pause).await;
        }
    }
}

/// Waits until something is ready that goes before this priority, or nobody can tell.
pub(super) async fn for_priority(store: &SqliteStore, queues: &[QueueName], before: i32) {
    let mut news = store.bell.listen();
    loop {
        store.bell.repair();
        news.borrow_and_update();
        let (namespace, watched) = (store.namespace.clone(), queues.to_vec());
        let check =
            move |connection: &Connection| Ok(is_ready_before(&Tx::new(connection, &namespace), &watched, before)?);
        if store.read(check).await.is_ok_and(|is_ready| is_ready) {
            return;
        }
        let is_rung = tokio::time::timeout(super::SAFETY_LOOK, news.changed()).await.is_ok();
        // It rings for everything, also where nobody uses priorities.
        if is_rung {
            Clock::system().sleep(AHEAD_EVERY).await;
        }
    }
}

/// Waits until something is kept under a key, or cannot be looked for.
pub(super) async fn stored(store: &SqliteStore, key: &str) {
    let mut news = store.bell.listen();
    loop {
        store.bell.repair();
        news.borrow_and_update();
        if !matches!(super::inspect::stored(store, key).await, Ok(None)) {
            return;
        }
        let _ = tokio::time::timeout(super::SAFETY_LOOK, news.changed()).await;
    }
}

impl SqliteStore {
    /// How long to wait after a ring. All who wait hear it, and most of them would look at once and in vain; so they come one after
    /// the other, at random, as many as there are: the first one as soon as ever, and all together hardly more often than one. On a
    /// machine that is busy a look takes longer, and they come further apart. `None` where that is shorter than a sleep can be.
    fn stagger(&self) -> Option<Duration> {
        let alike = self.registered.most(|upkeep| upkeep.alike).unwrap_or_default();
        let apart = Duration::from_micros(self.look_took.load(Ordering::Relaxed)).max(STAGGER);
        let turn = fastrand::f64() * f64::from(alike.saturating_sub(1));
        let turn = if turn > FIRST { FIRST + (turn - FIRST) * FURTHER } else { turn };
        let pause = apart.mul_f64(turn).min(LONGEST_STAGGER);
        (pause >= SHORTEST_SLEEP).then_some(pause)
    }

    async fn check(&self, queues: &[QueueName], due: Option<Timestamp>) -> Result<Option<Wake>, StoreError> {
        let (namespace, queues) = (self.namespace.clone(), queues.to_vec());
        let check = move |connection: &Connection| {
            let tx = Tx::new(connection, &namespace);
            let is_ready = is_ready(&tx, &queues)?;
            let next_due = if is_ready { None } else { next_due(&tx, &queues)? };
            Ok(wake(is_ready, next_due, due))
        };
        self.read(check).await
    }
}
