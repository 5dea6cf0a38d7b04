//! What has become of a message, as its sender asks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::broker::{Broker, Status};
use common::message::{MessageId, Raw};
use common::testing::TestBroker;
use common::worker::Worker;

#[actor(store_results = true, max_retries = 1, min_backoff = "1m", max_backoff = "1m")]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

#[actor]
fn forget(_n: u32) {}

/// Says that it runs, and ends when it is told to.
#[actor(store_results = true)]
fn hold(told: &Mutex<Sender<()>>, gate: &Mutex<Receiver<()>>) {
    told.lock().unwrap().send(()).unwrap();
    gate.lock().unwrap().recv().unwrap();
}

#[tokio::test]
async fn a_message_is_queued_then_scheduled_and_comes_to_an_end() {
    let broker = TestBroker::new();
    let first = forget::send(&broker, 1).await.unwrap();
    let odd = halve::send(&broker, 7).await.unwrap();
    let even = halve::message(8).delay(Duration::from_secs(3_600)).send(&broker).await.unwrap();
    assert_eq!(odd.status().await, Ok(Status::Queued { ahead: Some(1) }));
    assert_eq!(even.status().await, Ok(Status::Scheduled(broker.clock().now() + Duration::from_secs(3_600))));
    let worker = || broker.worker().actors(actors![halve, forget]);
    worker().run_until_idle().await.unwrap();
    assert!(matches!(odd.status().await, Ok(Status::Scheduled(_))), "it is retried: {:?}", odd.status().await);
    assert_eq!(first.status().await, Ok(Status::Unknown), "it keeps nothing");
    let failed = halve::message(9).max_retries(0).send(&broker).await.unwrap();
    worker().run_until_idle().await.unwrap();
    assert_eq!(failed.status().await, Ok(Status::Failed(Some("String: 9 is odd".to_owned()))));
    worker().run_until_done().await.unwrap();
    assert_eq!(even.status().await, Ok(Status::Done(Some(Raw::from(4_u32)))));
    assert_eq!(halve::status(&broker, &even.message_id).await, Ok(Status::Done(Some(4_u32))));
    assert_eq!(odd.status().await, Ok(Status::Failed(Some("7 is odd".to_owned()))), "a dead letter tells it as well");
    broker.advance(Duration::from_secs(3_600));
    assert_eq!(even.status().await, Ok(Status::Unknown), "its result was kept for ten minutes");
}

/// Fails twice, and then it is done.
#[actor(max_retries = 2, min_backoff = "1m", max_backoff = "1m")]
fn third_time(context: &Context) -> Result<(), String> {
    if context.attempt() < 3 { Err("not yet".to_owned()) } else { Ok(()) }
}

#[actor(max_retries = 0)]
fn fail() -> Result<(), String> {
    Err("never".to_owned())
}

#[tokio::test]
async fn what_keeps_no_result_is_known_to_be_done_where_its_sender_asks_for_that() {
    let broker = TestBroker::new();
    let hour = Duration::from_secs(3_600);
    let done = third_time::message().remember_done(hour).send(&broker).await.unwrap();
    let plain = forget::message(1).send(&broker).await.unwrap();
    let failed = fail::message().remember_done(30 * 24 * hour).send(&broker).await.unwrap();
    let steps = forget::message(1).remember_done(hour) | forget::message(2).remember_done(hour);
    let steps = steps.send(&broker).await.unwrap();
    let worker = || broker.worker().actors(actors![third_time, forget, fail]);
    worker().run_until_idle().await.unwrap();
    assert!(matches!(done.status().await, Ok(Status::Scheduled(_))), "it is not done yet");
    worker().run_until_done().await.unwrap();
    assert_eq!(done.status().await, Ok(Status::Done(None)));
    assert_eq!(third_time::status::<()>(&broker, &done.message_id).await, Ok(Status::Done(None)));
    assert_eq!(plain.status().await, Ok(Status::Unknown));
    for step in steps.steps() {
        assert_eq!(broker.status(step).await, Ok(Status::Done(None)), "of a step that asks for it");
    }
    assert_eq!(broker.result(&done).await, Ok(None), "a mark is no result");
    // A dead letter says why; once it is gone, the mark still says that.
    assert_eq!(failed.status().await, Ok(Status::Failed(Some("never".to_owned()))));
    let letters = broker.dead_letters("default").await;
    assert_eq!(broker.delete(&failed.queue_name, vec![letters[0].id.clone()]).await, Ok(vec![true]));
    assert_eq!(failed.status().await, Ok(Status::Failed(None)));
    broker.advance(hour);
    assert_eq!(done.status().await, Ok(Status::Unknown), "it was remembered for an hour");
}

#[tokio::test]
async fn a_value_is_read_as_what_its_actor_returns() {
    #[actor(remote, store_results = true)]
    fn halve(n: u32) -> String;

    let broker = TestBroker::new();
    let sent = self::halve::send(&broker, 8).await.unwrap();
    broker.worker().actors(actors![self::halve]).run_until_done().await.unwrap();
    let error = halve::status::<String>(&broker, &sent.message_id).await.unwrap_err();
    assert!(error.to_string().starts_with("the actor returned something else: "), "{error}");
    let unknown = self::halve::status::<u32>(&broker, &MessageId::random()).await;
    assert_eq!(unknown, Ok(Status::Unknown));
}

#[test]
fn a_plain_main_asks_as_well() {
    let broker = TestBroker::new();
    let sent = forget::send_blocking(&broker, 1).unwrap();
    assert_eq!(sent.status_blocking(), Ok(Status::Queued { ahead: Some(0) }));
    assert_eq!(forget::status_blocking::<()>(&broker, &sent.message_id), Ok(Status::Queued { ahead: Some(0) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_ends_meanwhile_is_never_unknown() {
    let broker = Broker::connect("memory:").await.unwrap();
    let ((told, runs), (open, gate)) = (channel::<()>(), channel::<()>());
    let worker = Worker::new(broker.clone()).actors(actors![hold]).state(Mutex::new(told)).state(Mutex::new(gate));
    let running = worker.threads(1).start();
    for _ in 0..300 {
        let sent = hold::send(&broker).await.unwrap();
        tokio::task::block_in_place(|| runs.recv().unwrap());
        assert!(matches!(sent.status().await, Ok(Status::Running { .. })));
        open.send(()).unwrap();
        loop {
            match sent.status().await.unwrap() {
                Status::Running { .. } => {}
                Status::Done(value) => break assert_eq!(value, Some(Raw::NULL)),
                other => panic!("{other:?}"),
            }
        }
    }
    running.stop();
    running.join().await.unwrap();
}
