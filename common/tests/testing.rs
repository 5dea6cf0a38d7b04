//! Testing programs that send and run messages, without services and without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::broker::Broker;
use common::results::Stored;
use common::store::Cancelled;
use common::testing::TestBroker;
use common::worker::{Shutdown, Worker};
use common::{actor, actors};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

const DAY: Duration = Duration::from_secs(86_400);

#[actor(max_retries = 20)]
fn fail(runs: &AtomicU32, why: String) -> Result<(), String> {
    runs.fetch_add(1, Ordering::Relaxed);
    Err(why)
}

#[actor(on_success = hear)]
fn add(a: i64, b: Option<i64>) -> i64 {
    a + b.unwrap_or(1)
}

#[actor]
fn hear(_message: serde_json::Value, result: i64) {
    assert!(result > 0);
}

#[actor]
fn tick() {}

/// Sends more of itself while it runs.
#[actor]
fn spread(broker: &Arc<TestBroker>, n: u32) -> Result<(), common::error::EnqueueError> {
    if n > 0 {
        spread::send_blocking(broker, n - 1)?;
        spread::send_blocking(broker, 0)?;
    }
    Ok(())
}

#[test]
fn a_plain_main_connects_sends_a_batch_and_waits_for_a_result() {
    let broker = Broker::connect_blocking("memory:").unwrap();
    let sent = broker.send_all_blocking((1..=3).map(|number| add::message(number, None).store_results(DAY))).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Worker::new(broker.clone()).actors(actors![add, hear]).run_until_idle()).unwrap();
    let results = sent.iter().map(|message| broker.wait_for_result_blocking(message, PATIENCE).unwrap());
    let sum = |value| if let Stored::Value(raw) = value { raw.read::<i64>().unwrap() } else { 0 };
    assert_eq!(results.map(sum).sum::<i64>(), 9);
}

#[tokio::test]
async fn what_was_sent_is_seen_typed_and_in_order() {
    let broker = TestBroker::new();
    add::send(&broker, 1, Some(2)).await.unwrap();
    tick::send(&broker).await.unwrap();
    add::message(3, None).delay(DAY).send(&broker).await.unwrap();
    assert_eq!(add::sent(&broker), [(1, Some(2)), (3, None)]);
    assert_eq!(tick::sent(&broker), [()]);
    assert_eq!(fail::sent(&broker), []);
}

#[tokio::test]
async fn what_a_run_brings_about_is_seen_too() {
    let broker = TestBroker::new();
    add::send(&broker, 1, None).await.unwrap();
    broker.worker().actors(actors![add, hear]).run_until_idle().await.unwrap();
    let heard: Vec<_> = hear::sent(&broker).into_iter().map(|(_, result)| result).collect();
    assert_eq!(heard, [2]);
    assert_eq!(add::sent(&broker), [(1, None)]);
}

#[tokio::test]
async fn a_worker_that_runs_until_idle_leaves_what_is_delayed() {
    let broker = TestBroker::new();
    fail::send(&broker, "now").await.unwrap();
    fail::message("tomorrow").delay(DAY).send(&broker).await.unwrap();
    let run = || broker.worker().actors(actors![fail]).state(AtomicU32::new(0)).run_until_idle();
    assert_eq!(run().await.unwrap(), Shutdown::Clean);
    let counts = broker.counts(&common::queue_name::QueueName::default()).await.unwrap();
    assert_eq!((counts.ready, counts.delayed, counts.claimed), (0, 2, 0), "one waits for its time, one for its retry");
    broker.advance(DAY);
    assert_eq!(run().await.unwrap(), Shutdown::Clean);
    let found = broker.find("", 0).await.unwrap();
    assert_eq!(found.len(), 2, "both wait for their retries: {found:?}");
}

#[tokio::test]
async fn a_worker_that_runs_until_done_lets_the_clock_fly() {
    let broker = TestBroker::new();
    let begun = broker.clock().now();
    fail::message("no luck").delay(365 * DAY).send(&broker).await.unwrap();
    let worker = broker.worker().actors(actors![fail]).state(AtomicU32::new(0));
    assert_eq!(worker.run_until_done().await.unwrap(), Shutdown::Clean);
    let letter = broker.dead_letters("default").await.remove(0);
    assert_eq!(letter.reason.as_deref(), Some("no luck"));
    assert!(letter.died.since(begun) > 380 * DAY, "a year, and twenty retries with their growing waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_runs_until_done_ends_when_what_it_waits_for_is_cancelled() {
    let broker = Broker::connect("memory:").await.unwrap();
    let sent = tick::message().delay(DAY).send(&broker).await.unwrap();
    let run = tokio::spawn(Worker::new(broker.clone()).actors(actors![tick]).run_until_done());
    // Some beats later it has asked, and waits for its time.
    timeout(PATIENCE, async {
        let (mut beats, mut before) = (0, Duration::ZERO);
        while beats < 3 {
            let silent_for = broker.workers(None, 1).await.unwrap().pop().map_or(before, |worker| worker.silent_for);
            beats += u32::from(silent_for < before);
            before = silent_for;
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it beats");
    assert!(!run.is_finished());
    let found = broker.find(sent.message_id.as_str(), 0).await.unwrap();
    assert_eq!(broker.cancel(&found[0], "not wanted any more").await.unwrap(), Some(Cancelled::Delayed));
    assert_eq!(timeout(PATIENCE, run).await.expect("it ends").unwrap().unwrap(), Shutdown::Clean);
}

#[tokio::test]
async fn messages_that_are_sent_by_runs_are_run_as_well() {
    let broker = Arc::new(TestBroker::new());
    spread::send(&broker, 20).await.unwrap();
    let lent = broker.clone();
    broker.worker().actors(actors![spread]).state(lent).run_until_idle().await.unwrap();
    assert_eq!(spread::sent(&broker).len(), 41);
    let counts = broker.counts(&common::queue_name::QueueName::default()).await.unwrap();
    assert_eq!((counts.ready, counts.claimed), (0, 0));
}
