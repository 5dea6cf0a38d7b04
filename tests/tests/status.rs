//! What a sender hears of messages that end while it asks, on every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::{Broker, Status};
use common::clock::Stopwatch;
use common::message::{Message, MessageId};
use common::worker::Worker;
use tests::process::{PATIENCE, eventually};
use tests::redis::{self, Server};

/// How many quick runs are asked for, of each kind.
const RUNS: u32 = 300;

/// More messages than one step goes through.
const LONG: u32 = 1_001;

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

/// Fails at once, and if it is retried, soon once more.
#[actor(max_retries = 0, min_backoff = "1ms", max_backoff = "1ms")]
fn fail() -> Result<(), String> {
    Err("never".to_owned())
}

/// Fails, and waits for an hour.
#[actor(min_backoff = "1h", max_backoff = "1h")]
fn wait() -> Result<(), String> {
    Err("not yet".to_owned())
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

/// The status of a message, and what is sent to the server on the connection that asks for it; what a script does inside does not count.
fn asked(server: &Server, broker: &Broker, message: &Message) -> (Status, Vec<String>) {
    const END: &str = "the end of what is looked at";
    let mut monitor = server.connection();
    monitor.send_packed_command(&::redis::cmd("MONITOR").get_packed_command()).unwrap();
    monitor.recv_response().unwrap();
    let status = broker.status_blocking(message).unwrap();
    let _: String = ::redis::cmd("ECHO").arg(END).query(&mut server.connection()).unwrap();
    let mut lines: Vec<String> = Vec::new();
    while lines.last().is_none_or(|line| !line.contains(END)) {
        lines.push(::redis::from_redis_value(monitor.recv_response().unwrap()).unwrap());
    }
    lines.retain(|line| !line.contains(" lua] "));
    let client = |line: &str| line.split(['[', ']']).nth(1).unwrap().to_owned();
    let asks = lines.iter().find(|line| line.contains(message.message_id.as_str()));
    let asking = client(asks.expect("somebody asks for the message"));
    lines.retain(|line| client(line) == asking);
    (status, lines)
}

#[test]
fn a_status_is_one_call_on_redis() {
    let server = Server::start();
    let connect = || Broker::connect_blocking(&server.url()).unwrap();
    let (broker, (open, gate)) = (connect(), channel());
    let actors = actors![double, forget, hold, fail, wait];
    let worker = Worker::new(connect()).actors(actors).state(Arc::new(Mutex::new(gate))).threads(2).start();
    worker.ready_blocking().unwrap();
    let done = double::send_blocking(&broker, 4).unwrap().into_message();
    let marked =
        forget::message(1).remember_done(Duration::from_secs(600)).send_blocking(&broker).unwrap().into_message();
    let unknown = forget::send_blocking(&broker, 1).unwrap().into_message();
    let failed = fail::send_blocking(&broker).unwrap().into_message();
    let failed_again = fail::message().max_retries(1).send_blocking(&broker).unwrap().into_message();
    let retried = wait::send_blocking(&broker).unwrap().into_message();
    let delayed = double::message(4).delay(Duration::from_secs(3_600)).send_blocking(&broker).unwrap().into_message();
    let held = hold::send_blocking(&broker).unwrap().into_message();
    let status = |message: &Message| broker.status_blocking(message).unwrap();
    let has_since = || matches!(status(&held), Status::Running { since: Some(_), .. }).then_some(());
    assert!(eventually(PATIENCE, has_since).is_some(), "{:?}", status(&held));
    let is_settled = || {
        let ends = [&done, &marked, &unknown, &failed, &failed_again, &retried].map(status);
        let waits = |status: &Status| matches!(status, Status::Queued { .. } | Status::Running { .. });
        (!ends.iter().any(waits) && matches!(ends[4], Status::Failed(_))).then_some(())
    };
    assert!(eventually(PATIENCE, is_settled).is_some());

    let one_call = |message: &Message| {
        let (status, calls) = asked(&server, &broker, message);
        assert!(calls.len() == 1 && calls[0].contains("\"EVALSHA\""), "{status:?} takes {calls:#?}");
        status
    };
    assert_eq!(one_call(&done), Status::Done(Some(8_u32.into())));
    assert_eq!(one_call(&marked), Status::Done(None));
    assert_eq!(one_call(&unknown), Status::Unknown);
    assert_eq!(one_call(&failed), Status::Failed(Some("never".to_owned())));
    assert_eq!(one_call(&failed_again), Status::Failed(Some("never".to_owned())));
    assert!(matches!(one_call(&retried), Status::Scheduled(_)));
    assert!(matches!(one_call(&delayed), Status::Scheduled(_)));
    assert!(matches!(one_call(&held), Status::Running { since: Some(_), .. }));
    open.send(()).unwrap();
    worker.stop();
    worker.join_blocking().unwrap();
    let queued = double::send_blocking(&broker, 4).unwrap().into_message();
    assert_eq!(one_call(&queued), Status::Queued { ahead: Some(0) });
}

/// In a queue that is too long to be gone through in one step, what was retried is found by a search.
#[test]
fn a_retried_message_of_a_long_queue_is_found_on_redis() {
    let broker = Broker::connect_blocking(&format!("{}?namespace={}", redis::url(), redis::namespace())).unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![wait]).threads(1).start();
    let retried = wait::send_blocking(&broker).unwrap();
    let is_retried = || matches!(retried.status_blocking().unwrap(), Status::Scheduled(_)).then_some(());
    assert!(eventually(PATIENCE, is_retried).is_some());
    worker.stop();
    worker.join_blocking().unwrap();
    broker.send_all_blocking((0..LONG).map(|n| double::message(n).delay(Duration::from_secs(3_600)))).unwrap();
    assert!(matches!(retried.status_blocking().unwrap(), Status::Scheduled(_)));
    let other = forget::message(1).message(broker.clock().now()).unwrap();
    assert_eq!(broker.status_blocking(&other), Ok(Status::Unknown));
}
