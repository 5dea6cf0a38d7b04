//! What a sender hears of messages that end while it asks, on every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::{Broker, Status};
use common::clock::Stopwatch;
use common::message::MessageId;
use common::worker::Worker;
use tests::process::{PATIENCE, eventually};
use tests::redis;

/// How many quick runs are asked for, of each kind.
const RUNS: u32 = 300;

/// How much earlier than it was sent a run may seem to begin, in milliseconds.
const SLACK: i64 = 100;

#[actor(store_results = true)]
fn double(n: u32) -> u32 {
    n * 2
}

#[actor]
fn forget(_n: u32) {}

/// Runs until it is told to end.
#[actor(store_results = true)]
fn hold(gate: &Arc<Mutex<Receiver<()>>>) {
    gate.lock().unwrap().recv().unwrap();
}

/// A run that outlasts a beat is told of with its time, as long as it goes on.
fn since_when_it_runs_is_told(url: &str) {
    let broker = Broker::connect_blocking(url).unwrap();
    let (open, gate) = channel();
    let gate = Arc::new(Mutex::new(gate));
    let worker = Worker::new(broker.clone()).actors(actors![hold]).state(gate).threads(1).start();
    worker.ready_blocking().unwrap();
    let run = || {
        let watch = Stopwatch::start();
        let before = broker.clock().now();
        let sent = hold::send_blocking(&broker).unwrap();
        let told = || match sent.status_blocking().unwrap() {
            Status::Running { worker, since: Some(since) } => Some((worker, since)),
            Status::Queued { .. } | Status::Running { .. } => None,
            other => panic!("{other:?} on {url}"),
        };
        let (worker, since) = eventually(PATIENCE, told).expect("it is told");
        // Parts of a millisecond are cut off, and a clock follows its store's by the time of an answer.
        let (earliest, latest) = (before.as_millis() - SLACK, (broker.clock().now() + watch.elapsed()).as_millis());
        assert!((earliest..=latest).contains(&since.as_millis()), "since {since}, sent at {before} on {url}");
        open.send(()).unwrap();
        assert_eq!(end(|| hold::status_blocking::<()>(&broker, &sent.message_id).unwrap()), Some(()), "on {url}");
        (sent.message_id.clone(), worker)
    };
    let (first, holder): (MessageId, String) = run();
    let (second, again) = run();
    assert_ne!(first, second);
    assert_eq!(holder, again, "on {url}");
    worker.stop();
    worker.join_blocking().unwrap();
}

/// Asks without a pause from when it is sent until it is done: it is somewhere all the time.
fn is_never_unknown(url: &str) {
    let broker = Broker::connect_blocking(url).unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![double, forget]).threads(2).start();
    worker.ready_blocking().unwrap();
    for n in 0..RUNS {
        let kept = double::send_blocking(&broker, n).unwrap();
        let value = end(|| double::status_blocking::<u32>(&broker, &kept.message_id).unwrap());
        assert_eq!(value, Some(n * 2), "run {n} on {url}");
        let marked = forget::message(n).remember_done(Duration::from_secs(600)).send_blocking(&broker).unwrap();
        let value = end(|| forget::status_blocking::<()>(&broker, &marked.message_id).unwrap());
        assert_eq!(value, None, "run {n} on {url}");
    }
    // A result and a mark in one step, which go apart.
    let both = double::message(1).remember_done(Duration::from_secs(600)).send_blocking(&broker).unwrap();
    assert_eq!(end(|| double::status_blocking::<u32>(&broker, &both.message_id).unwrap()), Some(2), "{url}");
    assert_eq!(broker.forget_results_blocking(&[both.clone().into_message()]), Ok(1), "{url}");
    assert_eq!(both.status_blocking(), Ok(Status::Done(None)), "{url}");
    worker.stop();
    worker.join_blocking().unwrap();
}

/// What is kept of a message that is asked for until it is done.
fn end<T: std::fmt::Debug>(ask: impl Fn() -> Status<T>) -> Option<T> {
    let asked = Stopwatch::start();
    while asked.elapsed() < PATIENCE {
        match ask() {
            Status::Done(value) => return value,
            Status::Queued { .. } | Status::Running { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("it is not done in time");
}

#[test]
fn since_when_it_runs_is_told_on_redis_and_nothing_stays() {
    let namespace = redis::namespace();
    since_when_it_runs_is_told(&format!("{}?namespace={namespace}", redis::url()));
    let mut connection = redis::connection();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg(format!("{namespace}:@runs.*")).query(&mut connection).unwrap();
    assert_eq!(keys, [""; 0]);
}

#[test]
fn since_when_it_runs_is_told_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    since_when_it_runs_is_told(&format!("sqlite:{}", folder.path().join("status.db").display()));
}

#[test]
fn since_when_it_runs_is_told_in_memory() {
    since_when_it_runs_is_told("memory:");
}

#[test]
fn a_quick_run_is_never_unknown_on_redis() {
    is_never_unknown(&format!("{}?namespace={}", redis::url(), redis::namespace()));
}

#[test]
fn a_quick_run_is_never_unknown_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    is_never_unknown(&format!("sqlite:{}", folder.path().join("status.db").display()));
}

#[test]
fn a_quick_run_is_never_unknown_in_memory() {
    is_never_unknown("memory:");
}
