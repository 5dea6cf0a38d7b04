//! What a worker does while the place of its results is away.

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{Shutdown, Worker};

use crate::faulty::Places;

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(30);

#[actor(store_results = true)]
fn square(n: u64) -> u64 {
    n * n
}

#[actor]
fn forget(_n: u64) {}

async fn settle(broker: &Broker, what: &str, is_settled: impl Fn(Counts) -> bool) {
    let watch = Stopwatch::start();
    loop {
        let counts = broker.counts(&QueueName::default()).await.unwrap();
        if is_settled(counts) {
            return;
        }
        assert!(watch.elapsed() < DEADLINE, "{what}: {counts:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_wait_for_the_place_of_their_results_and_others_go_on() {
    let places = Places::new(&Clock::system());
    let broker = Broker::builder().on_store(places.open()).unwrap();
    let running = Worker::new(broker.clone()).threads(2).actors(actors![square, forget]).start();
    places.results.set_away(true);
    let squares = broker.send_all((0..20).map(square::message)).await.unwrap();
    broker.send_all((0..20).map(forget::message)).await.unwrap();
    settle(&broker, "the others end", |counts| (counts.ready, counts.claimed) == (0, 20)).await;
    let tries = places.results.calls.load(Ordering::Relaxed);
    let watch = Stopwatch::start();
    while places.results.calls.load(Ordering::Relaxed) < tries + 3 {
        assert!(watch.elapsed() < DEADLINE, "it tries again");
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.counts(&QueueName::default()).await.unwrap().claimed, 20);
    places.results.set_away(false);
    settle(&broker, "they end as well", |counts| counts == Counts::default()).await;
    for (n, sent) in (0..).zip(&squares) {
        assert_eq!(sent.result(DEADLINE).await, Ok(n * n));
    }
    running.stop();
    assert_eq!(running.join().await.unwrap(), Shutdown::Clean);
    places.expect_nobody_elsewhere().await;
}

/// What it held would run again if it died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_holds_back_a_thousand_ends_fetches_no_more() {
    const ALL: usize = 5_000;
    let places = Places::new(&Clock::system());
    let broker = Broker::builder().on_store(places.open()).unwrap();
    places.results.set_away(true);
    broker.send_all((0..5_000).map(square::message)).await.unwrap();
    let running = Worker::new(broker.clone()).threads(2).prefetch(4).actors(actors![square]).start();
    settle(&broker, "it holds back many", |counts| counts.claimed >= 1_000).await;
    let tries = places.results.calls.load(Ordering::Relaxed);
    let watch = Stopwatch::start();
    while places.results.calls.load(Ordering::Relaxed) < tries + 3 {
        assert!(watch.elapsed() < DEADLINE, "it tries again");
        tokio::task::yield_now().await;
    }
    let counts = broker.counts(&QueueName::default()).await.unwrap();
    assert!(counts.claimed < 1_100 && counts.ready + counts.claimed == ALL, "{counts:?}");
    places.results.set_away(false);
    settle(&broker, "all end", |counts| counts == Counts::default()).await;
    running.stop();
    assert_eq!(running.join().await.unwrap(), Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_waits_for_the_place_of_its_results() {
    for comes_back in [true, false] {
        let places = Places::new(&Clock::system());
        let broker = Broker::builder().on_store(places.open()).unwrap();
        places.results.set_away(true);
        square::send(&broker, 7).await.unwrap();
        let worker = Worker::new(broker.clone()).threads(1).actors(actors![square]);
        let worker = worker.shutdown_timeout(if comes_back { DEADLINE } else { Duration::from_millis(1) });
        let running = worker.start();
        settle(&broker, "it runs", |counts| counts.claimed == 1).await;
        let watch = Stopwatch::start();
        while places.results.calls.load(Ordering::Relaxed) == 0 {
            assert!(watch.elapsed() < DEADLINE, "it has ended");
            tokio::task::yield_now().await;
        }
        running.stop();
        if comes_back {
            let tries = places.results.calls.load(Ordering::Relaxed);
            while places.results.calls.load(Ordering::Relaxed) < tries + 3 {
                assert!(watch.elapsed() < DEADLINE, "it tries again");
                tokio::task::yield_now().await;
            }
            places.results.set_away(false);
        }
        let expected = if comes_back { (Shutdown::Clean, 0) } else { (Shutdown::Unreachable, 1) };
        let ended = running.join().await.unwrap();
        let counts = broker.counts(&QueueName::default()).await.unwrap();
        assert_eq!((ended, counts.claimed), expected);
    }
}
