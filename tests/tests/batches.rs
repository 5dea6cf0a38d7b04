//! Batches from a plain `main`, on every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::composition::Progress;
use common::error::ResultError;
use common::worker::Worker;
use tests::process::PATIENCE;
use tests::redis;

/// More than are looked at, or sent, at once.
const CALLS: u32 = 2_300;

/// One in a hundred cannot be halved.
#[actor(store_results = true, max_retries = 0)]
fn halve(n: u32) -> Result<u32, String> {
    if n % 100 == 99 { Err(format!("{n} is odd")) } else { Ok(n / 2) }
}

#[actor]
fn forget(_what: String, _times: u32) {}

fn connect(url: &str) -> Broker {
    Broker::connect_blocking(url).unwrap()
}

/// Sends a batch from a thread without a runtime, and collects what it came to.
fn is_collected(url: &str) {
    let broker = connect(url);
    let sent = halve::batch(0..CALLS).send_blocking(&broker).unwrap();
    let left = Progress { done: 0, failed: 0, left: CALLS };
    assert_eq!(sent.progress_blocking(), Ok(Some(left)), "{url}");
    let moment = Duration::from_millis(1);
    let error = ResultError::Left { timeout: moment, done: 0, failed: 0, left: CALLS };
    assert_eq!(sent.wait_blocking(moment), Err(error), "nothing runs them on {url}");

    let worker = Worker::new(broker.clone()).actors(actors![halve, forget]).start();
    let mut all = Vec::new();
    for result in sent.each_result_blocking::<u32>(PATIENCE) {
        all.push(result.map_err(|error| error.to_string()));
    }
    let odd = |n: u32| format!("the actor failed: String: {n} is odd");
    let expected: Vec<_> = (0..CALLS).map(|n| if n % 100 == 99 { Err(odd(n)) } else { Ok(n / 2) }).collect();
    assert_eq!(all, expected, "{url}");
    // The last result is kept in the step in which its message is counted.
    let done = Progress { done: CALLS - 23, failed: 23, left: 0 };
    assert_eq!(sent.wait_blocking(PATIENCE), Ok(done), "{url}");
    assert_eq!(sent.completed_blocking(), Ok(2_300), "{url}");
    assert_eq!(sent.outcomes_blocking(PATIENCE).unwrap().len(), 2_300, "{url}");
    assert_eq!(sent.results_blocking::<u32>(PATIENCE).unwrap_err().to_string(), odd(99), "{url}");

    // What keeps nothing is waited for all the same.
    let sent = forget::batch([("a", 1), ("b", 2)]).send_blocking(&broker).unwrap();
    assert_eq!(sent.wait_blocking(PATIENCE), Ok(Progress { done: 2, failed: 0, left: 0 }), "{url}");
    worker.stop();
    worker.join_blocking().unwrap();
}

#[test]
fn a_batch_is_sent_counted_and_collected_in_order_on_redis() {
    is_collected(&format!("{}?namespace={}", redis::url(), redis::namespace()));
}

#[test]
fn a_batch_is_sent_counted_and_collected_in_order_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    is_collected(&format!("sqlite:{}", folder.path().join("batches.db").display()));
}

#[test]
fn a_batch_is_sent_counted_and_collected_in_order_in_memory() {
    is_collected("memory:");
}
