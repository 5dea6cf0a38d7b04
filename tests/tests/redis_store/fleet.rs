//! Many idle workers: whom a message wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Claim, Disposition, Registration, Store as _, Wake};
use common::stores::redis::RedisStore;
use tests::process::PATIENCE;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::crowds::{DEAD, plant};
use crate::rig::*;

const MANY: usize = 100;

/// An idle worker with connections of its own, which waits, fetches and acknowledges, and beats when it is told.
struct Idle {
    store: Arc<RedisStore>,
    registration: Arc<Registration>,
    work: JoinHandle<()>,
}

/// Counts wake-ups, and hears of every message that was fetched.
struct Fleet {
    rig: Rig,
    /// A hundred workers are enough for one server, and two cores.
    _turn: MutexGuard<'static, ()>,
    workers: Vec<Idle>,
    wakes: Arc<AtomicUsize>,
    got: mpsc::UnboundedReceiver<i64>,
    tell: mpsc::UnboundedSender<i64>,
}

impl Fleet {
    async fn of(count: usize) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let (tell, got) = mpsc::unbounded_channel();
        let mut fleet =
            Self { rig: Rig::new().await, _turn: turn, workers: Vec::new(), wakes: Arc::default(), got, tell };
        for _ in 0..count {
            let store =
                Arc::new(tests::redis::store(&tests::redis::url(), &fleet.rig.namespace, &fleet.rig.clock).await);
            let registration = Arc::new(store.register(&[QueueName::default()]).await.unwrap());
            let work = tokio::spawn(work(store.clone(), registration.clone(), fleet.wakes.clone(), fleet.tell.clone()));
            fleet.workers.push(Idle { store, registration, work });
        }
        fleet
    }

    /// Everybody beats once; whoever is told that something is ready fetches it, as a worker does.
    async fn beat(&self) {
        self.rig.clock.advance(BEAT_INTERVAL);
        for Idle { store, registration, .. } in &self.workers {
            if store.beat(registration, &[], &[]).await.unwrap().ready {
                take(store, registration, &self.tell).await;
            }
        }
    }

    async fn sends(&self, number: i64) {
        let id = format!("id-{number}");
        let body = body_in("default", &id, "").replace("[7]", &format!("[{number}]"));
        self.rig.python_sends("default", &id, body.as_bytes()).await;
    }

    async fn hears_of(&mut self, number: i64) {
        let got = timeout(PATIENCE, self.got.recv()).await.unwrap_or_else(|_| panic!("nobody got {number}"));
        assert_eq!(got, Some(number));
    }

    /// Who listens, as the store has it.
    async fn listeners(&self) -> Vec<String> {
        let keys: Vec<String> = self.rig.redis(&["KEYS", ":@duty.*"]).await;
        let [key] = keys.as_slice() else { return Vec::new() };
        self.rig.redis(&["ZRANGE", key, "0", "-1"]).await
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for idle in &self.workers {
            idle.work.abort();
        }
    }
}

async fn work(
    store: Arc<RedisStore>,
    registration: Arc<Registration>,
    wakes: Arc<AtomicUsize>,
    tell: mpsc::UnboundedSender<i64>,
) {
    loop {
        if store.wait(&registration.queues, None).await == Wake::Ready {
            wakes.fetch_add(1, Ordering::Relaxed);
            take(&store, &registration, &tell).await;
        }
    }
}

async fn take(store: &RedisStore, registration: &Registration, tell: &mpsc::UnboundedSender<i64>) {
    let found = fetch(store, registration, 1).await;
    for (delivery, number) in found.iter().zip(arguments(&found)) {
        let claim: &Claim = &delivery.claim;
        store.finish(registration, &[completion(claim, Disposition::Ack)]).await.unwrap();
        // The test may be over.
        let _ = tell.send(number);
    }
}

#[tokio::test]
async fn a_message_wakes_about_as_many_of_a_hundred_idle_workers_as_can_run_it() {
    const MESSAGES: i64 = 40;
    let mut fleet = Fleet::of(MANY).await;
    fleet.beat().await;
    fleet.beat().await;
    let before = fleet.wakes.load(Ordering::Relaxed);
    for number in 0..MESSAGES {
        fleet.sends(number).await;
        fleet.hears_of(number).await;
    }
    let woken = fleet.wakes.load(Ordering::Relaxed) - before;
    let most = 12 * usize::try_from(MESSAGES).unwrap();
    assert!(woken <= most, "{MESSAGES} messages woke {woken} workers of {MANY}");
    assert!(!fleet.listeners().await.is_empty());
}

#[tokio::test]
async fn each_beat_of_a_hundred_idle_workers_is_a_sign_of_life_and_what_comes_due_is_seen() {
    let mut fleet = Fleet::of(MANY).await;
    for _ in 0..3 {
        fleet.beat().await;
    }
    let due = fleet.rig.clock.now() + BEAT_INTERVAL * 2;
    fleet.rig.enqueue(&[delayed("default", 1, due)]).await;
    for _ in 0..3 {
        fleet.beat().await;
        let now = fleet.rig.now().to_string();
        let alive: Vec<String> = fleet.rig.redis(&["ZRANGEBYSCORE", ":__heartbeats__", &now, &now]).await;
        let silent =
            fleet.workers.iter().filter(|idle| !alive.iter().any(|who| who == idle.registration.worker.as_str()));
        assert_eq!(silent.count(), 0, "of {MANY}");
    }
    fleet.hears_of(1).await;
}

#[tokio::test]
async fn a_worker_that_dies_among_a_hundred_idle_ones_is_found_as_fast_as_among_a_few() {
    let mut fleet = Fleet::of(MANY).await;
    for _ in 0..3 {
        fleet.beat().await;
    }
    plant(&fleet.rig, DEAD, 1, fleet.rig.now()).await;
    for _ in 0..4 {
        fleet.beat().await;
    }
    fleet.hears_of(7).await;
}

#[tokio::test]
async fn a_worker_that_others_took_for_dead_is_registered_again_with_its_next_beat() {
    let fleet = Fleet::of(MANY).await;
    for _ in 0..3 {
        fleet.beat().await;
    }
    let robbed = fleet.workers[0].registration.worker.as_str();
    for key in [":__heartbeats__", ":@beats"] {
        let _: i64 = fleet.rig.redis(&["ZREM", key, robbed]).await;
    }
    let _: i64 = fleet.rig.redis(&["HDEL", ":@rust", robbed]).await;
    fleet.beat().await;
    let queues: String = fleet.rig.redis(&["HGET", ":@rust", robbed]).await;
    assert_eq!(queues, "default");
}

#[tokio::test]
async fn messages_are_found_though_those_who_listened_are_dead_and_others_listen_then() {
    let mut fleet = Fleet::of(MANY).await;
    fleet.beat().await;
    fleet.beat().await;
    let listeners = fleet.listeners().await;
    assert!((1..=8).contains(&listeners.len()), "{listeners:?}");
    let is_listener =
        |idle: &Idle| listeners.iter().any(|member| format!("{:?}", idle.store).contains(member.as_str()));
    let (dead, alive): (Vec<_>, Vec<_>) = std::mem::take(&mut fleet.workers).into_iter().partition(is_listener);
    assert_eq!(dead.len(), listeners.len());
    for idle in dead {
        idle.work.abort();
        let _ = idle.work.await;
    }
    fleet.workers = alive;
    fleet.sends(1).await;
    fleet.beat().await;
    fleet.hears_of(1).await;
    // By then the dead are known to be silent, and others listen: the next one needs no beat.
    for _ in 0..3 {
        fleet.beat().await;
    }
    fleet.sends(2).await;
    fleet.hears_of(2).await;
}
