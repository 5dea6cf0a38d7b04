//! Days and years pass on every store while a real worker works, and nobody sleeps.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use common::{
    actor,
    actor::{Declaration, actors},
    broker::Broker,
    clock::{Clock, Stopwatch, Timestamp},
    message::{Message, Raw, option},
    queue_name::QueueName,
    store::{BEAT_INTERVAL, Counts},
    worker::{Shutdown, Stopper, Worker},
};
use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long the real world is given before the clock goes on by one more beat.
const MOMENT: Duration = Duration::from_millis(5);

/// For what takes less than a tenth of that where nothing else runs; on a busy machine, it may take some tries.
const LIMIT: Duration = Duration::from_secs(1);
const TRIES: usize = 5;

/// In milliseconds.
const HOUR: i64 = 60 * 60 * 1_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The retries of an actor that says nothing else.
const RETRIES: usize = 20;

/// Longer than any wait between two of them.
const LONGEST_BACKOFF: Duration = DAY.saturating_mul(8);

/// What an actor tells its test: the time.
struct Told {
    clock: Clock,
    to: Mutex<Sender<Timestamp>>,
}

#[actor]
fn work(told: &Told) {
    told.to.lock().expect("the test").send(told.clock.now()).expect("the test");
}

#[actor]
fn fail(told: &Told) -> Result<(), String> {
    told.to.lock().expect("the test").send(told.clock.now()).expect("the test");
    Err("always".to_owned())
}

/// A broker whose time the test moves, and a worker on it.
struct Scene {
    broker: Broker,
    stopper: Stopper,
    run: JoinHandle<Shutdown>,
    heard: Receiver<Timestamp>,
    watch: Stopwatch,
}

impl Scene {
    async fn new(url: &str, namespace: &str, actors: &[&'static Declaration]) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let broker = Broker::builder().namespace(namespace).clock(clock.clone()).connect(url).await.unwrap();
        let (to, heard) = channel();
        let told = Told { clock, to: Mutex::new(to) };
        let worker = Worker::new(broker.clone()).threads(1).actors(actors).state(told);
        let stopper = worker.stopper();
        let (ready, started) = tokio::sync::oneshot::channel();
        let worker = worker.on_ready(move || {
            let _ = ready.send(());
        });
        let run = tokio::spawn(async move { worker.run().await.expect("a worker without mistakes") });
        started.await.expect("the worker gets ready");
        Self { broker, stopper, run, heard, watch: Stopwatch::start() }
    }

    /// Lets beats pass until the queue is as it should be.
    async fn settle(&self, what: &str, settled: impl Fn(Counts) -> bool) {
        let watch = Stopwatch::start();
        loop {
            let counts = self.broker.counts(&QueueName::default()).await.unwrap();
            if settled(counts) {
                return;
            }
            assert!(watch.elapsed() < DEADLINE, "{what}: not after {DEADLINE:?}, but {counts:?}");
            // A jump that came in the middle of a beat puts the next one off.
            self.broker.clock().advance(BEAT_INTERVAL);
            tokio::task::yield_now().await;
        }
    }

    /// Lets beats pass until the actor runs: when that is.
    fn next(&self) -> Timestamp {
        let watch = Stopwatch::start();
        while watch.elapsed() < DEADLINE {
            match self.heard.recv_timeout(MOMENT) {
                Ok(time) => return time,
                Err(_) => self.broker.clock().advance(BEAT_INTERVAL),
            }
        }
        panic!("the actor runs: not after {DEADLINE:?}");
    }

    /// How long it took, in the real world.
    async fn stop(self) -> Duration {
        let took = self.watch.elapsed();
        self.stopper.stop();
        assert_eq!(self.run.await.expect("no panic"), Shutdown::Clean);
        took
    }
}

/// The story takes no longer than the limit.
async fn is_quick(story: impl AsyncFn(&str, &str) -> Duration, url: &str) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        took.push(story(url, &tests::redis::fresh_namespace()).await);
        if took.last().is_some_and(|took| *took < LIMIT) {
            return;
        }
    }
    panic!("{took:?} on {url}");
}

async fn twenty_retries(url: &str, namespace: &str) -> Duration {
    let scene = Scene::new(url, namespace, actors![fail]).await;
    fail::send(&scene.broker).await.unwrap();
    for retry in 0..=RETRIES {
        scene.next();
        scene.settle("its end is stored", |counts| counts.claimed == 0).await;
        if retry < RETRIES {
            scene.broker.clock().advance(LONGEST_BACKOFF);
        }
    }
    scene.settle("the message is dead", |counts| counts.dead == 1 && counts.delayed == 0).await;
    scene.stop().await
}

async fn a_delay_of_a_year(url: &str, namespace: &str) -> Duration {
    let scene = Scene::new(url, namespace, actors![work]).await;
    let (clock, year) = (scene.broker.clock().clone(), DAY * 365);
    let due = clock.now() + year;
    work::message().delay(year).send(&scene.broker).await.unwrap();
    for _ in 0..4 {
        clock.advance(DAY * 91);
        scene.settle("it waits", |counts| counts.delayed == 1).await;
    }
    clock.advance(DAY * 2);
    assert!(scene.next() >= due);
    scene.settle("it is done", |counts| counts == Counts::default()).await;
    scene.stop().await
}

async fn an_expired_dead_letter(url: &str, namespace: &str) -> Duration {
    let scene = Scene::new(url, namespace, actors![fail]).await;
    fail::message().max_retries(0).send(&scene.broker).await.unwrap();
    scene.next();
    scene.settle("the message is dead", |counts| counts.dead == 1).await;
    // Six days later a beat looks after everything, for another one is due then, and dies.
    fail::message().max_retries(0).delay(DAY * 6).send(&scene.broker).await.unwrap();
    scene.broker.clock().advance(DAY * 6);
    scene.next();
    scene.settle("both are kept", |counts| counts.claimed == 0 && counts.dead == 2).await;
    scene.broker.clock().advance(DAY * 2);
    scene.settle("the older one is gone", |counts| counts.dead == 1).await;
    scene.stop().await
}

/// The letter that died last.
async fn last_letter(scene: &Scene) -> (String, Message) {
    let letter = scene.broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap().pop().expect("a dead letter");
    let message = Message::decode(&letter.bytes, scene.broker.clock().now()).unwrap();
    (letter.reason.expect("a reason"), message)
}

async fn an_unknown_actor(url: &str, namespace: &str) -> Duration {
    let scene = Scene::new(url, namespace, actors![work]).await;
    let clock = scene.broker.clock().clone();
    let sent = fail::message().max_retries(0).send(&scene.broker).await.unwrap();
    for _ in 0..3 {
        scene.settle("it is requeued", |counts| counts.delayed == 1).await;
        clock.advance(DAY / 4);
    }
    // The deploy goes on: here is a worker that knows it.
    let (to, heard) = channel();
    let other = Worker::new(scene.broker.clone()).threads(1).actors(actors![fail]);
    let other = other.state(Told { clock: clock.clone(), to: Mutex::new(to) });
    let stopper = other.stopper();
    let run = tokio::spawn(async move { other.run().await.expect("a worker without mistakes") });
    scene.settle("it has run, and failed", |counts| counts.dead == 1).await;
    assert_eq!(heard.try_iter().count(), 1);
    let (reason, dead) = last_letter(&scene).await;
    assert_eq!((reason.as_str(), &dead.message_id, dead.retries()), ("always", &sent.message_id, 0));
    assert_eq!(dead.options.get(option::UNKNOWN_SINCE), None, "what waited leaves no trace");
    stopper.stop();
    assert_eq!(run.await.expect("no panic"), Shutdown::Clean);

    // Nobody ever knows this one.
    fail::send(&scene.broker).await.unwrap();
    scene.settle("it is requeued", |counts| counts.delayed == 1).await;
    clock.advance(DAY);
    scene.settle("it is dead", |counts| counts.dead == 2).await;
    let (reason, dead) = last_letter(&scene).await;
    let expected = "no actor `fail` in this worker, which consumes queue default, nor in any that met it for 1 d";
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(dead.options.get(option::UNKNOWN_SINCE), None, "sent once more, it waits anew");
    scene.stop().await
}

/// dramatiq keeps all options of what it tries again, so what it has run may say that it waits since long ago.
async fn an_unknown_actor_that_somebody_knew(url: &str, namespace: &str) -> Duration {
    let scene = Scene::new(url, namespace, actors![work]).await;
    let clock = scene.broker.clock().clone();
    let start = clock.now().as_millis();
    let met = |tried_again_after_hours: i64| {
        let mut message = fail::message().message(clock.now()).unwrap();
        message.options.set(option::UNKNOWN_SINCE, Raw::from(start - 48 * HOUR));
        message.options.set(option::REQUEUE_TIMESTAMP, Raw::from(start + tried_again_after_hours * HOUR));
        message
    };
    scene.broker.enqueue(vec![met(-12)]).await.unwrap();
    scene.settle("it waits as if for the first time", |counts| counts.delayed + counts.dead == 1).await;
    let letters = scene.broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap();
    assert_eq!(letters, [], "it was run since");
    clock.advance(DAY);
    scene.settle("it has waited for long enough", |counts| counts.dead == 1).await;
    // Nobody has run these since; a clock that is ahead proves nothing.
    scene.broker.enqueue(vec![met(-60), met(60)]).await.unwrap();
    scene.settle("they have waited for long enough", |counts| counts.dead == 3).await;
    scene.stop().await
}

macro_rules! on {
    ($($store:ident: $url:expr;)*) => {
        $(
            mod $store {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn twenty_retries_with_their_days_of_back_off_need_no_sleep() {
                    super::is_quick(super::twenty_retries, AsRef::<str>::as_ref(&$url)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn a_delay_of_a_year_needs_no_sleep() {
                    super::is_quick(super::a_delay_of_a_year, AsRef::<str>::as_ref(&$url)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn a_message_of_an_unknown_actor_waits_a_day_for_a_worker_that_knows_it() {
                    super::is_quick(super::an_unknown_actor, AsRef::<str>::as_ref(&$url)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn a_message_of_an_unknown_actor_that_was_run_since_waits_a_day_anew() {
                    super::is_quick(super::an_unknown_actor_that_somebody_knew, AsRef::<str>::as_ref(&$url)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn a_dead_letter_expires_without_a_sleep() {
                    super::is_quick(super::an_expired_dead_letter, AsRef::<str>::as_ref(&$url)).await;
                }
            }
        )*
    };
}

on! {
    memory: "memory:";
    redis: tests::redis::url();
    sqlite: concat!("sqlite:", env!("CARGO_TARGET_TMPDIR"), "/virtual_time.db");
}
