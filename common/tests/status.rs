//! What has become of a message, as its sender asks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::{Broker, Status};
use common::message::Raw;
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
    assert_eq!(even.status().await, Ok(Status::Done(Raw::from(4_u32))));
    assert_eq!(odd.status().await, Ok(Status::Failed(Some("7 is odd".to_owned()))), "a dead letter tells it as well");
    broker.advance(Duration::from_secs(3_600));
    assert_eq!(even.status().await, Ok(Status::Unknown), "its result was kept for ten minutes");
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
                Status::Done(value) => break assert_eq!(value, Raw::NULL),
                other => panic!("{other:?}"),
            }
        }
    }
    running.stop();
    running.join().await.unwrap();
}
