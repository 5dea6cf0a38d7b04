//! Observers: they hear of every end, change nothing and hold up nobody.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::message::Message;
use common::observe::{MAX_WAITING, Observer, Report, Settled};
use common::outcome::{Outcome, Retry};
use common::store::Counts;
use common::testing::TestBroker;
use common::worker::{Shutdown, Worker};
use common::{Broker, error};

use super::kit::{builder, start_with};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
#[error("code {0}")]
struct Coded(u16);

#[actor(max_retries = 1, min_backoff = "1s", max_backoff = "1s")]
fn work(what: String) -> Result<u8, Coded> {
    match &*what {
        "well" => Ok(1),
        "panics" => panic!("as it was told"),
        _ => Err(Coded(17)),
    }
}

/// Passes on what it hears.
struct Telling(Mutex<Sender<Report>>);

impl Observer for Telling {
    fn observe(&self, report: &Report) {
        // The test may have ended.
        let _ = self.0.lock().unwrap().send(report.clone());
    }
}

fn telling() -> (Telling, Receiver<Report>) {
    let (told, heard) = channel();
    (Telling(Mutex::new(told)), heard)
}

#[tokio::test]
async fn an_observer_hears_of_every_run_in_order_with_all_that_is_known() {
    let (observer, heard) = telling();
    let broker = TestBroker::from_builder(Broker::builder().observer(observer));
    for what in ["well", "badly", "panics"] {
        work::send(&broker, what).await.unwrap();
    }
    broker.worker().actors(actors![work]).run_until_done().await.unwrap();
    // The worker has ended, so that they have heard.
    let reports: Vec<Report> = heard.try_iter().collect();
    let told = |report: &Report| {
        let what: String = report.message.as_ref().unwrap().args[0].read().unwrap();
        let settled = match &report.settled {
            Settled::Done => "done",
            Settled::Waits(_) => "waits",
            Settled::Dead(_) => "dead",
            other => panic!("{other:?}"),
        };
        (what, report.attempt, settled)
    };
    let expected = [
        ("well", 1, "done"),
        ("badly", 1, "waits"),
        ("panics", 1, "waits"),
        ("badly", 2, "dead"),
        ("panics", 2, "dead"),
    ];
    let mut told: Vec<_> = reports.iter().map(told).collect();
    // Which of two waits is shorter is by chance.
    told[3..].sort();
    assert_eq!(told, expected.map(|(what, attempt, settled)| (what.to_owned(), Some(attempt), settled)));
    assert!(reports.iter().all(|report| report.slot == Some(1) && report.waited.is_some()));
    assert!(reports.iter().all(|report| report.actor.is_some_and(|actor| actor.name == "work")));
    let failure = |report: &Report| match &report.outcome {
        Outcome::Failed(failure) => failure.clone(),
        other => panic!("{other:?}"),
    };
    let failed = failure(&reports[1]);
    assert!(matches!(failed.error().and_then(|error| error.downcast_ref()), Some(Coded(17))), "{failed:?}");
    let panicked = failure(&reports[2]);
    let place = panicked.place.unwrap();
    assert!(place.starts_with(file!()) || place.contains("observers.rs:"), "{place}");
}

/// Passes on what it hears, and has no use for messages.
struct Counting(Telling);

impl Observer for Counting {
    fn wants_messages(&self) -> bool {
        false
    }

    fn observe(&self, report: &Report) {
        self.0.observe(report);
    }
}

#[tokio::test]
async fn reports_have_the_message_where_one_of_the_observers_wants_it() {
    for is_wanted in [false, true] {
        let (counting, heard) = telling();
        let (other, _heard) = telling();
        let builder = Broker::builder().observer(Counting(counting));
        let broker = TestBroker::from_builder(if is_wanted { builder.observer(other) } else { builder });
        work::send(&broker, "badly").await.unwrap();
        broker.worker().actors(actors![work]).run_until_done().await.unwrap();
        let reports: Vec<Report> = heard.try_iter().collect();
        let told: Vec<_> = reports.iter().map(|report| (report.message.is_some(), report.attempt)).collect();
        assert_eq!(told, [(is_wanted, Some(1)), (is_wanted, Some(2))]);
        assert!(reports.iter().all(|report| report.actor.is_some_and(|actor| actor.name == "work")));
    }
}

/// Is away until it is let go on; counts what it hears and what was dropped.
struct Slow {
    may_go_on: Mutex<Receiver<()>>,
    heard: &'static AtomicU64,
    dropped: &'static AtomicU64,
}

impl Observer for Slow {
    fn observe(&self, _: &Report) {
        if self.heard.fetch_add(1, Ordering::Relaxed) == 0 {
            self.may_go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
    }

    fn dropped(&self, reports: u64) {
        self.dropped.fetch_add(reports, Ordering::Relaxed);
    }
}

#[actor]
fn nothing() {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_observer_holds_up_nobody_and_what_finds_no_room_is_counted() {
    let [heard, dropped] = [0, 1].map(|_| &*Box::leak(Box::new(AtomicU64::new(0))));
    let (go_on, may_go_on) = channel();
    let observer = Slow { may_go_on: Mutex::new(may_go_on), heard, dropped };
    let broker = builder().observer(observer).connect("memory:").await.unwrap();
    let worker = start_with(Worker::new(broker.clone()).threads(2).actors(actors![nothing]));
    // By far more than may be on their way to the observer once all have run.
    let mut reports = MAX_WAITING + 5_000;
    let send = async |count: usize| {
        let messages: Result<Vec<Message>, error::EnqueueError> =
            (0..count).map(|_| nothing::message().message(broker.clock().now())).collect();
        broker.enqueue(messages.unwrap()).await.unwrap();
    };
    send(reports).await;
    worker
        .settle("all have run, though the first report is not taken in yet", |counts| counts == Counts::default())
        .await;
    go_on.send(()).unwrap();
    // What comes next brings the news of what was dropped.
    let watch = common::clock::Stopwatch::start();
    while dropped.load(Ordering::Relaxed) == 0 {
        assert!(watch.elapsed() < PATIENCE, "{heard:?} were heard");
        send(1).await;
        reports += 1;
        worker.settle("it has run", |counts| counts == Counts::default()).await;
    }
    worker.stop().await;
    let [heard, dropped] = [heard, dropped].map(|number| number.load(Ordering::Relaxed));
    assert!(heard >= MAX_WAITING as u64 && heard + dropped <= reports as u64, "{heard} and {dropped} of {reports}");
}

/// Panics at every second report.
struct Panicking(AtomicU64);

impl Observer for Panicking {
    fn observe(&self, _: &Report) {
        assert!(self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2), "at this one");
    }
}

#[tokio::test]
async fn an_observer_that_panics_harms_nobody() {
    let (observer, heard) = telling();
    let broker = TestBroker::from_builder(Broker::builder().observer(Panicking(AtomicU64::new(0))).observer(observer));
    for _ in 0..4 {
        nothing::send(&broker).await.unwrap();
    }
    assert_eq!(broker.worker().actors(actors![nothing]).run_until_done().await, Ok(Shutdown::Clean));
    assert_eq!(heard.try_iter().count(), 4);
}

#[actor(max_retries = 3)]
fn ask_again() -> Result<(), Retry> {
    Err(Retry::after(Duration::from_secs(60)))
}

#[tokio::test]
async fn it_is_told_when_what_waits_is_due() {
    let (observer, heard) = telling();
    let broker = TestBroker::from_builder(Broker::builder().observer(observer));
    ask_again::send(&broker).await.unwrap();
    broker.worker().actors(actors![ask_again]).run_until_idle().await.unwrap();
    let report = heard.try_recv().unwrap();
    assert_eq!(report.settled, Settled::Waits(report.ended + Duration::from_secs(60)));
}
