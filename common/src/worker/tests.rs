//! What needs a hand on the store beside a worker: deaths, a worker that sleeps through its own, or fetches what it lost, and starts
//! that cannot be recorded.

mod apart;
mod back;
mod late;
mod lines;
mod sleepy;
mod starts;
mod twice;
mod unanswered;

use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::sleepy::Sleepy;
use super::local_queue::LocalQueue;
use super::{Shutdown, Stopper, Worker};
use crate::actor::{Context, Declaration, Entry};
use crate::broker::Broker;
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::message::{Entries, Message, MessageId, Raw};
use crate::outcome::Outcome;
use crate::queue_name::QueueName;
use crate::store::{
    BEAT_INTERVAL, Claim, Completion, Counts, Delivery, Disposition, FetchRequest, Finished, Inspect, Registration,
    SUSPECT_AFTER, Store,
};
use crate::stores::memory::MemoryStore;

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a clock stands still before it is moved on.
const MOMENT: Duration = Duration::from_millis(20);

/// Messages from this number on wait for the gate.
const WAITING: i64 = 10;

/// Messages from this number on wait for the gate as well, but end when they are told to stop.
const OBEDIENT: i64 = 100;

/// Between two looks of an actor that waits.
const PAUSE: Duration = Duration::from_millis(1);

/// One run: which message, how many were claimed in the queue when it began, whether it was told to stop.
type Seen = (i64, usize, bool);

/// What the actor and its test share.
struct Scene {
    store: MemoryStore,
    seen: Mutex<Vec<Seen>>,
    gate: (Mutex<bool>, Condvar),
}

impl Scene {
    fn open_gate(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn close_gate(&self) {
        *self.gate.0.lock().unwrap() = false;
    }

    /// Which messages were run so far, and whether each was told to stop.
    fn told(&self) -> Vec<(i64, bool)> {
        self.seen.lock().unwrap().iter().map(|(number, _, told)| (*number, *told)).collect()
    }

    fn started(&self) -> Vec<(i64, usize)> {
        self.seen.lock().unwrap().iter().map(|(number, claimed, _)| (*number, *claimed)).collect()
    }
}

static ACTOR: Declaration = WATCH;

/// The same actor, which bears more deaths than its worker does.
static PATIENT: Declaration = Declaration { max_crashes: Some(SUSPECT_AFTER + 1), ..WATCH };

/// An actor of the same queue, which knows nothing of those.
static OTHER: Declaration = Declaration { name: "other", ..WATCH };

const WATCH: Declaration = Declaration::plain("watch", Entry::Sync(run));

fn run(context: &Context) -> Outcome {
    let scene: &Arc<Scene> = context.state();
    let number: i64 = context.message().args[0].read().unwrap();
    let claimed = at_once(scene.store.counts(&QueueName::default())).unwrap().claimed;
    let mut seen = scene.seen.lock().unwrap();
    seen.push((number, claimed, false));
    let own = seen.len() - 1;
    drop(seen);
    let (open, changed) = &scene.gate;
    let mut is_open = open.lock().unwrap();
    while number >= WAITING && !*is_open && !(number >= OBEDIENT && context.is_cancelled()) {
        (is_open, _) = changed.wait_timeout(is_open, PAUSE).unwrap();
    }
    drop(is_open);
    scene.seen.lock().unwrap()[own].2 = context.is_cancelled();
    Outcome::Value(Raw::NULL)
}

/// The store in memory never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

fn message(number: i64) -> Message {
    Message {
        queue_name: QueueName::default(),
        actor_name: ACTOR.name.into(),
        args: vec![Raw::from(number)],
        kwargs: Entries::default(),
        options: Entries::default(),
        message_id: MessageId::random(),
        message_timestamp: Timestamp::EPOCH,
    }
}

/// A store, its clock, and a worker that the test itself plays.
struct Stage {
    scene: Arc<Scene>,
    sleepy: Sleepy,
    broker: Broker,
    clock: Clock,
    peer: Registration,
}

impl Stage {
    /// Workers have the clock of the store.
    fn new() -> Self {
        Self::under(Clock::clone)
    }

    /// Only the store's clock stands still. So workers pause and beat by themselves, and no moment of theirs is an age to the store.
    fn with_workers_in_real_time() -> Self {
        Self::under(|_| Clock::system())
    }

    fn under(of_workers: impl FnOnce(&Clock) -> Clock) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let store = MemoryStore::new(clock.clone());
        let sleepy = Sleepy::on(store.clone());
        let broker = Broker::builder().clock(of_workers(&clock)).on_store(sleepy.clone()).unwrap();
        let peer = at_once(store.register(&[QueueName::default()])).unwrap();
        let scene = Scene { store, seen: Mutex::default(), gate: (Mutex::new(false), Condvar::new()) };
        Self { scene: Arc::new(scene), sleepy, broker, clock, peer }
    }

    fn enqueue(&self, numbers: impl IntoIterator<Item = i64>) {
        let messages: Vec<_> = numbers.into_iter().map(message).collect();
        at_once(self.scene.store.enqueue(&messages)).unwrap();
    }

    fn fetch(&self, registration: &Registration, count: usize) -> Vec<Delivery> {
        let requests = [FetchRequest { queue: QueueName::default(), count, before: None }];
        at_once(self.scene.store.fetch(registration, &requests, usize::MAX)).unwrap().deliveries
    }

    /// Whoever does not beat meanwhile is dead after this.
    fn take_over_from_the_silent(&self) {
        for _ in 0..6 {
            self.clock.advance(BEAT_INTERVAL);
            at_once(self.scene.store.beat(&self.peer, &[], &[])).unwrap();
        }
    }

    /// Messages that just enough workers died with; the peer holds them.
    fn suspects(&self, numbers: impl IntoIterator<Item = i64>) -> Vec<Delivery> {
        self.enqueue(numbers);
        for _ in 0..SUSPECT_AFTER {
            let victim = at_once(self.scene.store.register(&[QueueName::default()])).unwrap();
            let claims: Vec<Claim> = self.fetch(&victim, 9).into_iter().map(|delivery| delivery.claim).collect();
            at_once(self.scene.store.start(&victim, &claims)).unwrap();
            self.take_over_from_the_silent();
        }
        self.fetch(&self.peer, 9)
    }

    fn finish(&self, delivery: &Delivery, disposition: Disposition) -> Finished {
        let completion = Completion { claim: delivery.claim.clone(), disposition, effects: Vec::new() };
        at_once(self.scene.store.finish(&self.peer, &[completion])).unwrap().remove(0)
    }

    fn start(&self, threads: usize) -> (Stopper, JoinHandle<Shutdown>) {
        let worker = Worker::new(self.broker.clone())
            .threads(threads)
            .prefetch(2 * threads)
            .actors(&[&ACTOR])
            .state(self.scene.clone());
        let stopper = worker.stopper();
        (stopper, tokio::spawn(async move { worker.run().await.unwrap() }))
    }

    async fn settle(&self, what: &str, mut settled: impl FnMut(Counts) -> bool) {
        let watch = Stopwatch::start();
        loop {
            let counts = at_once(self.scene.store.counts(&QueueName::default())).unwrap();
            if settled(counts) {
                return;
            }
            assert!(watch.elapsed() < DEADLINE, "{what}: not after {DEADLINE:?}, but {counts:?}");
            tokio::task::yield_now().await;
        }
    }

    /// A worker that has fetched 10 and 11, which are suspect: one runs until the gate opens, the other one has to wait.
    async fn with_two_suspects(&self) -> (Stopper, JoinHandle<Shutdown>) {
        let suspects = self.suspects([10, 11]);
        assert_eq!(suspects.iter().map(|suspect| suspect.crashes).collect::<Vec<_>>(), [2, 2]);
        let back = |suspect: &Delivery| Completion::release(suspect.claim.clone());
        let completions: Vec<_> = suspects.iter().map(back).collect();
        at_once(self.scene.store.finish(&self.peer, &completions)).unwrap();
        let worker = self.start(3);
        self.settle("both are fetched", |counts| (counts.ready, counts.claimed) == (0, 2)).await;
        worker
    }

    /// Waits until so many runs have begun.
    async fn settle_started(&self, count: usize) {
        let watch = Stopwatch::start();
        while self.started().len() < count {
            assert!(watch.elapsed() < DEADLINE, "{:?} have started", self.started());
            tokio::task::yield_now().await;
        }
    }

    fn started(&self) -> Vec<i64> {
        let mut started: Vec<_> = self.scene.started().into_iter().map(|(number, _)| number).collect();
        started.sort_unstable();
        started
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspect_costs_its_own_slot_and_holds_up_no_more_than_other_suspects() {
    let stage = Stage::new();
    let (stopper, worker) = stage.with_two_suspects().await;
    stage.enqueue(1..=6);
    stage.settle("what is plain runs beside it", |counts| (counts.ready, counts.claimed) == (0, 2)).await;
    stage.settle_started(7).await;
    let started = stage.started();
    assert_eq!(started[..6], [1, 2, 3, 4, 5, 6]);
    assert_eq!(started.len(), 7, "one suspect runs, and the other one does not: {started:?}");
    stage.scene.open_gate();
    stage.settle("all have run", |counts| counts == Counts::default()).await;
    assert_eq!(stage.started(), [1, 2, 3, 4, 5, 6, 10, 11], "once each");
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspect_that_cannot_start_here_is_offered_to_other_workers() {
    let stage = Stage::new();
    let (stopper, worker) = stage.with_two_suspects().await;
    let watch = Stopwatch::start();
    let taken = loop {
        let mut seen = stage.sleepy.beats.subscribe();
        let beats = *seen.borrow();
        stage.broker.clock().advance(BEAT_INTERVAL);
        // It may plan its next beat only after that, from the time that it is then.
        while tokio::time::timeout(MOMENT, seen.wait_for(|now| *now > beats)).await.is_err() {
            assert!(watch.elapsed() < DEADLINE, "it does not beat");
            stage.broker.clock().advance(BEAT_INTERVAL);
        }
        // Both are alive all the time.
        at_once(stage.scene.store.beat(&stage.peer, &[], &[])).unwrap();
        if let Some(taken) = stage.fetch(&stage.peer, 9).pop() {
            break taken;
        }
        assert!(watch.elapsed() < DEADLINE, "it is never offered");
        tokio::task::yield_now().await;
    };
    assert_eq!(taken.crashes, 2);
    stage.scene.open_gate();
    stage.settle("the other one has run", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
    assert_eq!(stage.finish(&taken, Disposition::Ack), Finished::Done);
    assert_eq!(stage.started().len(), 1, "what others took did not start here");
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_deaths_is_the_actors_or_else_the_workers() {
    for (limit, actor, is_run) in
        [(SUSPECT_AFTER + 1, &ACTOR, true), (SUSPECT_AFTER, &ACTOR, false), (SUSPECT_AFTER, &PATIENT, true)]
    {
        let stage = Stage::new();
        let suspect = stage.suspects([1]).remove(0);
        assert_eq!(stage.finish(&suspect, Disposition::Release), Finished::Done);
        let worker = Worker::new(stage.broker.clone()).max_crashes(limit).actors(&[actor]).state(stage.scene.clone());
        let stopper = worker.stopper();
        let worker = tokio::spawn(async move { worker.run().await.unwrap() });
        stage.settle("it has run, or is dead", |counts| counts.ready + counts.claimed == 0).await;
        assert_eq!(stage.started().len(), usize::from(is_run), "{limit} deaths, {actor:?}");
        let letters = at_once(stage.scene.store.dead_letters(&QueueName::default(), 0, 9)).unwrap();
        let reasons: Vec<_> = letters.iter().filter_map(|letter| letter.reason.as_deref()).collect();
        let expected: &[&str] = if is_run { &[] } else { &["its worker died 2 times"] };
        assert_eq!(reasons, expected);
        stopper.stop();
        assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_a_worker_that_does_not_know_its_actor_keeps_its_deaths() {
    let stage = Stage::new();
    let suspect = stage.suspects([1]).remove(0);
    assert_eq!(stage.finish(&suspect, Disposition::Release), Finished::Done);
    let run = |actor: &'static Declaration| {
        let worker = Worker::new(stage.broker.clone()).max_crashes(SUSPECT_AFTER).actors(&[actor]);
        worker.state(stage.scene.clone()).run_until_idle()
    };
    for _ in 0..3 {
        assert_eq!(run(&OTHER).await, Ok(Shutdown::Clean));
        assert_eq!(at_once(stage.scene.store.counts(&QueueName::default())).unwrap().delayed, 1);
        stage.clock.advance(Duration::from_secs(60));
    }
    at_once(stage.scene.store.beat(&stage.peer, &[], &[])).unwrap();
    assert_eq!(run(&ACTOR).await, Ok(Shutdown::Clean));
    let letters = at_once(stage.scene.store.dead_letters(&QueueName::default(), 0, 9)).unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.reason.as_deref()).collect::<Vec<_>>(),
        [Some("its worker died 2 times")]
    );
    assert_eq!(stage.started(), [] as [i64; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_requeues_a_suspect_that_waits() {
    let stage = Stage::new();
    let (stopper, worker) = stage.with_two_suspects().await;
    stage.settle_started(1).await;
    stopper.stop();
    stage.settle("it is back", |counts| (counts.ready, counts.claimed) == (1, 1)).await;
    stage.scene.open_gate();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    let left = stage.fetch(&stage.peer, 9);
    assert_eq!(left.iter().map(|delivery| delivery.crashes).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_taken_for_dead_may_wake_with_a_fetch() {
    let stage = Stage::new();
    let (stopper, worker) = stage.start(2);
    stage.enqueue([10]);
    stage.settle("it runs", |counts| counts.claimed == 1).await;
    stage.sleepy.asleep.send_replace(true);
    stage.take_over_from_the_silent();
    let taken = stage.fetch(&stage.peer, 9);
    assert_eq!(taken.len(), 1, "the peer has taken over");
    // It hears of this one and fetches, unregistered; its beat comes later.
    stage.enqueue([1]);
    let refused = async { stage.sleepy.unregistered.subscribe().wait_for(|fetches| *fetches > 0).await.map(|_| ()) };
    tokio::time::timeout(DEADLINE, refused).await.expect("it fetches").unwrap();
    stage.sleepy.asleep.send_replace(false);
    stage.settle("it goes on", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
    stage.scene.open_gate();
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    let mut seen = stage.scene.seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen.iter().map(|(number, _, told)| (*number, *told)).collect::<Vec<_>>(), [(1, false), (10, true)]);
    assert_eq!(stage.finish(&taken[0], Disposition::Ack), Finished::Done, "its late end had no effect");
}

/// What a queue has for the store.
fn completions(queue: &LocalQueue, is_back_too: bool) -> Vec<Completion> {
    queue.take_ended(is_back_too).into_iter().map(|ended| ended.completion).collect()
}
