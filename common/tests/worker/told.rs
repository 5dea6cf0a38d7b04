//! What others hear of a run: callbacks, and results.

use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::error::ResultError;
use common::message::{Message, Raw};
use common::middleware::{Decision, Middleware, Run};
use common::results::Stored;
use common::testing::TestBroker;
use common::worker::Worker;

use super::kit::{Told, broker, ears, next, start, start_with, tell};

#[actor(throws = "expected")]
fn throw() -> Result<(), &'static str> {
    Err("expected")
}

#[actor(max_retries = 3, on_retry_exhausted = hear)]
fn fail_and_tell() -> Result<(), String> {
    Err("no luck".to_owned())
}

#[actor]
fn hear(told: &Told, message: serde_json::Value, info: serde_json::Value) {
    tell(told, format!("{} {} {info}", message["actor_name"], message["options"]["retries"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_actor_hears_about_the_last_failure() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![fail_and_tell, hear], told);
    fail_and_tell::message().min_backoff(Duration::ZERO).send(&broker).await.unwrap();
    assert_eq!(next(&heard), r#""fail_and_tell" 4 {"max_retries":3,"retries":3}"#);
    worker.stop().await;
}

#[actor(queue = "elsewhere")]
fn hear_elsewhere(told: &Told, message: serde_json::Value, info: serde_json::Value) {
    tell(told, format!("elsewhere {} {info}", message["actor_name"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_may_name_another_actor_on_another_queue() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![fail_and_tell, hear, hear_elsewhere], told);
    fail_and_tell::message().max_retries(0).on_retry_exhausted::<hear_elsewhere>().send(&broker).await.unwrap();
    assert_eq!(next(&heard), r#"elsewhere "fail_and_tell" {"max_retries":0,"retries":0}"#);
    worker.stop().await;
}

#[actor(on_success = hear, on_failure = hear, max_retries = 1, min_backoff = "0s")]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_actors_hear_what_was_returned_and_of_every_failed_attempt() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![halve, hear, hear_elsewhere]).state(told);
    let worker = start_with(worker);
    halve::send(&broker, 4).await.unwrap();
    assert_eq!(next(&heard), r#""halve" null 2"#);
    halve::send(&broker, 5).await.unwrap();
    assert_eq!(next(&heard), r#""halve" 1 {"message":"5 is odd","type":"String"}"#);
    assert_eq!(next(&heard), r#""halve" 2 {"message":"5 is odd","type":"String"}"#);
    halve::message(6).on_success::<hear_elsewhere>().send(&broker).await.unwrap();
    assert_eq!(next(&heard), r#"elsewhere "halve" 3"#);
    worker.stop().await;
}

#[actor(priority = -7)]
fn hear_first(_message: serde_json::Value, _info: serde_json::Value) {}

#[actor(on_success = hear_first, max_retries = 0)]
fn succeed() {}

#[tokio::test]
async fn a_callback_has_the_priority_of_its_actor_however_it_is_named() {
    let broker = TestBroker::new();
    succeed::send(&broker).await.unwrap();
    succeed::message().on_success::<hear_first>().send(&broker).await.unwrap();
    broker.worker().actors(actors![succeed, hear_first]).run_until_done().await.unwrap();
    let sent = broker.sent(<hear_first as actor::Actor>::DECLARATION);
    assert_eq!(sent.iter().map(Message::priority).collect::<Vec<_>>(), [-7, -7]);
}

#[actor(store_results = true, result_ttl = "1m", max_retries = 1, min_backoff = "0s")]
fn double(n: u32) -> Result<u32, String> {
    if n < 100 { Ok(2 * n) } else { Err(format!("{n} is too much")) }
}

/// Runs nothing.
struct Skipping;

impl Middleware for Skipping {
    fn before_run(&self, _run: &Run<'_>) -> Decision {
        Decision::Skip
    }
}

/// Who waits for it does not wait in vain.
#[tokio::test]
async fn of_a_skipped_message_null_is_kept() {
    let broker = TestBroker::from_builder(Broker::builder().with(Skipping));
    let sent = double::send(&broker, 21).await.unwrap();
    broker.worker().actors(actors![double]).run_until_idle().await.unwrap();
    assert_eq!(broker.result(&sent).await, Ok(Some(Stored::Value(Raw::NULL))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_kept_for_their_time_and_so_is_a_last_failure() {
    let broker = broker().await;
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![double, throw]));
    let patience = Duration::from_secs(20);
    let done = double::send(&broker, 21).await.unwrap();
    let stored = broker.wait_for_result(&done, patience).await.unwrap();
    assert_eq!(stored, Stored::Value(Raw::from(42_u32)));
    assert_eq!(done.result(patience).await, Ok(42));
    let by_id = broker.result_of::<double>(&done.message_id).await;
    assert_eq!(by_id, Ok(Some(stored)), "the id is enough for who knows the actor");
    assert_eq!(broker.result_of::<throw>(&done.message_id).await, Ok(None));
    let failed = double::send(&broker, 100).await.unwrap();
    let stored = broker.wait_for_result(&failed, patience).await.unwrap();
    assert_eq!(stored, Stored::Failed { kind: "String".to_owned(), text: "100 is too much".to_owned() });
    let failure = ResultError::Failed { kind: "String".to_owned(), text: "100 is too much".to_owned() };
    assert_eq!(failed.result::<u32>(patience).await, Err(failure));
    let asked = throw::message().store_results(patience).send(&broker).await.unwrap();
    assert!(matches!(broker.wait_for_result(&asked, patience).await, Ok(Stored::Failed { .. })));

    let not_asked = throw::send(&broker).await.unwrap();
    worker.settle("it is dead", |counts| counts.dead == 3).await;
    assert_eq!(broker.result(&not_asked).await, Ok(None));
    let missing = broker.wait_for_result(&not_asked, Duration::from_millis(5)).await.unwrap_err().to_string();
    assert!(missing.starts_with("no result of throw() within 5ms: it waits no more: it died "), "{missing}");
    let missing = not_asked.result::<()>(Duration::from_secs(3600)).await.unwrap_err();
    assert_eq!(missing, ResultError::NotKept("throw".to_owned()), "at once");
    broker.clock().advance(Duration::from_secs(60));
    assert_eq!(broker.result(&done).await, Ok(None));
    worker.stop().await;
}

#[actor(max_retries = 3, min_backoff = "0s")]
fn pair(told: &Told) -> std::collections::HashMap<(i32, i32), u32> {
    tell(told, "worked");
    [((1, 2), 3)].into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_without_a_json_form_fails_only_where_somebody_wants_it_and_is_not_worked_for_again() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![pair, hear]).state(told);
    let worker = start_with(worker);
    pair::send(&broker).await.unwrap();
    assert_eq!(next(&heard), "worked");
    worker.settle("nobody wants what it returned", |counts| counts == common::store::Counts::default()).await;

    let patience = Duration::from_secs(30);
    let sent = pair::message().store_results(patience).on_retry_exhausted::<hear>().send(&broker).await.unwrap();
    assert_eq!(next(&heard), "worked");
    assert_eq!(next(&heard), r#""pair" 1 {"max_retries":3,"retries":0}"#, "it is not worked for again");
    let text = "the work is done, but its result has no JSON form: key must be a string".to_owned();
    let Stored::Failed { text: stored, .. } = broker.wait_for_result(&sent, patience).await.unwrap() else {
        panic!("it has no value")
    };
    assert_eq!(stored, text);
    let letter = broker.dead_letters(&common::queue_name::QueueName::default(), 0, 9).await.unwrap().remove(0);
    assert_eq!(letter.reason, Some(text));
    pair::message().on_success::<hear>().send(&broker).await.unwrap();
    assert_eq!(next(&heard), "worked");
    worker.settle("that wants it too", |counts| counts.dead == 2).await;
    worker.stop().await;
}

#[actor(store_results = true)]
fn divide(a: f64, b: f64) -> f64 {
    a / b
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_no_number_is_kept_and_read() {
    let broker = broker().await;
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![divide]));
    for (a, b, expected) in [(0.0, 0.0, "NaN"), (-1.0, 0.0, "-Infinity"), (1.0, f64::INFINITY, "0.0")] {
        let sent = divide::send(&broker, a, b).await.unwrap();
        let stored = broker.wait_for_result(&sent, Duration::from_secs(30)).await.unwrap();
        assert_eq!(stored, Stored::Value(Raw::parse(expected).unwrap()));
    }
    worker.stop().await;
}
