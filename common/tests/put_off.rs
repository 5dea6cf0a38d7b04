//! Messages that are put off, by limits and by themselves: no retry is spent.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::middleware::{End, HookError, Middleware};
use common::observe::{Observer, Report};
use common::outcome::Retry;
use common::rate_limits::{Bucket, Concurrent, Guard, LimitError, LimitExceeded};
use common::store::{BEAT_INTERVAL, Completion};
use common::testing::TestBroker;
use common::{Context, actor};
use tokio::time::timeout;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

/// Generous: what is waited for must come, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(20);

const MINUTE: Duration = Duration::from_secs(60);

/// A slot of a mutex that somebody else holds for the first hundred runs.
struct Taken {
    denials: AtomicU32,
    slot: Mutex<Option<Guard>>,
}

impl Taken {
    async fn of(broker: &Broker, key: &str) -> Arc<Self> {
        let slot = Concurrent::mutex(key).acquire(broker).await.unwrap();
        Arc::new(Self { denials: AtomicU32::new(0), slot: Mutex::new(Some(slot)) })
    }

    fn denied(&self) {
        if self.denials.fetch_add(1, Ordering::Relaxed) + 1 == 100 {
            self.slot.lock().unwrap().take().unwrap().release_blocking().unwrap();
        }
    }
}

/// An error of a user's, with a limit's among its sources.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("no slot")]
    NoSlot(#[source] LimitError),
}

#[actor(max_retries = 0, min_backoff = "0s", on_failure = hear)]
fn sync_work(context: &Context, broker: &Broker, taken: &Arc<Taken>, key: String) -> Result<(), LimitError> {
    let _slot = Concurrent::mutex(key).acquire_blocking(broker).inspect_err(|_| taken.denied())?;
    assert_eq!(context.message().retries(), 0);
    Ok(())
}

#[actor(max_retries = 0, min_backoff = "0s", on_failure = hear)]
async fn async_work(context: &Context, broker: &Broker, taken: &Arc<Taken>, key: String) -> Result<(), Problem> {
    let slot = Concurrent::mutex(key).acquire(broker).await.map_err(Problem::NoSlot);
    if slot.is_err() {
        let taken = taken.clone();
        tokio::task::spawn_blocking(move || taken.denied()).await.unwrap();
    }
    let _slot = slot?;
    assert_eq!(context.message().retries(), 0);
    Ok(())
}

#[actor]
fn hear(_message: serde_json::Value, _error: serde_json::Value) {}

/// Counts what hooks and observers are told.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU32>, Arc<AtomicU32>);

impl Middleware for Told {
    fn ending(&self, _: &End<'_>, _: &mut Completion) -> Result<(), HookError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Observer for Told {
    fn observe(&self, _: &Report) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_is_denied_a_hundred_times_is_put_off_spends_no_retry_and_runs() {
    let told = Told::default();
    let broker = TestBroker::from_builder(Broker::builder().with(told.clone()).observer(told.clone()));
    for (number, actor) in [(1, "sync"), (2, "async")] {
        let taken = Taken::of(&broker, actor).await;
        match actor {
            "sync" => drop(sync_work::send(&broker, actor).await.unwrap()),
            _ => drop(async_work::send(&broker, actor).await.unwrap()),
        }
        let worker = broker.worker().actors(actors![sync_work, async_work, hear]).state(taken.clone());
        worker.run_until_done().await.unwrap();
        assert_eq!(taken.denials.load(Ordering::Relaxed), 100, "{actor}");
        assert!(broker.dead_letters("default").await.is_empty(), "{actor}");
        assert!(hear::sent(&broker).is_empty(), "{actor}: nobody hears of a failure");
        assert_eq!(told.0.load(Ordering::Relaxed), number, "{actor}: a hook hears of the end");
        assert_eq!(told.1.load(Ordering::Relaxed), number, "{actor}: an observer hears of the end");
    }
}

#[actor(max_retries = 0)]
fn mail(broker: &Broker, sent: &Arc<Mutex<Vec<i64>>>) -> Result<(), LimitError> {
    Bucket::new("mail", 2, MINUTE).acquire_blocking(broker)?;
    sent.lock().unwrap().push(broker.clock().now().as_millis().div_euclid(60_000));
    Ok(())
}

#[tokio::test]
async fn what_a_bucket_denies_comes_back_when_the_next_one_begins() {
    let (broker, sent) = (TestBroker::new(), Arc::<Mutex<Vec<i64>>>::default());
    for _ in 0..5 {
        mail::send(&broker).await.unwrap();
    }
    broker.worker().actors(actors![mail]).state(sent.clone()).run_until_done().await.unwrap();
    let sent = sent.lock().unwrap();
    let minutes: Vec<_> = sent.iter().map(|minute| minute - sent[0]).collect();
    assert_eq!(minutes, [0, 0, 1, 1, 2]);
}

#[actor(max_retries = 0, retry_when = |_, _: &Retry| false)]
fn snooze(runs: &AtomicU32) -> Result<(), Retry> {
    if runs.fetch_add(1, Ordering::Relaxed) < 30 { Err(Retry::uncounted(MINUTE)) } else { Ok(()) }
}

#[actor(throws = Retry { .. })]
fn throw() -> Result<(), Retry> {
    Err(Retry::uncounted(MINUTE))
}

#[tokio::test]
async fn an_actor_may_put_itself_off_as_often_as_it_likes() {
    let broker = TestBroker::new();
    let began = broker.clock().now();
    snooze::send(&broker).await.unwrap();
    throw::send(&broker).await.unwrap();
    let worker = broker.worker().actors(actors![snooze, throw]).state(AtomicU32::new(0));
    worker.run_until_done().await.unwrap();
    assert_eq!(broker.clock().now().since(began), 30 * MINUTE);
    let dead = broker.dead_letters("default").await;
    assert_eq!(dead.len(), 1, "an error that is expected is one: {dead:?}");
}

#[tokio::test]
async fn a_cancelled_message_is_not_put_off() {
    let broker = TestBroker::new();
    cancelled_meanwhile::send(&broker).await.unwrap();
    broker.worker().actors(actors![cancelled_meanwhile]).run_until_done().await.unwrap();
    assert_eq!(broker.dead_letters("default").await.len(), 1);
}

#[actor]
async fn cancelled_meanwhile(context: &Context, broker: &Broker) -> Result<(), LimitExceeded> {
    let found = broker.find(context.id().as_str(), 0).await.unwrap();
    broker.cancel(&found[0], "no longer wanted").await.unwrap();
    broker.clock().advance(BEAT_INTERVAL);
    timeout(PATIENCE, context.cancelled()).await.unwrap();
    let held = Concurrent::mutex("one").acquire(broker).await.unwrap();
    let LimitError::Exceeded(denied) = Concurrent::mutex("one").acquire(broker).await.unwrap_err() else {
        panic!("the store answers")
    };
    drop(held);
    Err(denied)
}

/// The lines of runs, of all tests of this program.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "common::run" && metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = format!("{} ", event.metadata().level());
        event.record(&mut |field: &Field, value: &dyn Debug| {
            if field.name() == "message" {
                write!(line, "{value:?}").unwrap();
            }
        });
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[actor(max_retries = 0)]
async fn told(broker: &Broker) -> Result<(), LimitError> {
    Bucket::new("told", 1, MINUTE).acquire(broker).await
}

#[tokio::test]
async fn what_is_put_off_is_told_by_a_line_for_debugging() {
    let lines = Lines::default();
    // Workers run on threads of their own.
    subscriber::set_global_default(lines.clone()).unwrap();
    let broker = TestBroker::new();
    for _ in 0..2 {
        told::send(&broker).await.unwrap();
    }
    broker.worker().actors(actors![told]).run_until_done().await.unwrap();
    let lines = lines.0.lock().unwrap();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("`told`")).collect();
    assert_eq!(told, ["DEBUG put off for 1 min: rate limit exceeded for `told`; no retry is spent"]);
}
