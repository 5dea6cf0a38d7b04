//! Async actors hold a slot, and no thread. A program of its own, so that its threads can be counted.

use std::sync::Arc;
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{Shutdown, Worker};
use tokio::sync::Barrier;

const SLOTS: usize = 200;

/// Waits for all the others and the test, and once more.
#[actor]
async fn meet(barrier: &Arc<Barrier>) {
    barrier.wait().await;
    barrier.wait().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wait_side_by_side_on_a_few_threads() {
    let broker = Broker::connect("memory:").await.unwrap();
    let now = broker.clock().now();
    broker.enqueue((0..SLOTS).map(|_| meet::message().message(now).unwrap()).collect()).await.unwrap();
    let barrier = Arc::new(Barrier::new(SLOTS + 1));
    let watch = Stopwatch::start();
    let worker = Worker::new(broker.clone()).threads(SLOTS).actors(actors![meet]).state(barrier.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let counts = async || broker.counts(&QueueName::default()).await.unwrap();
    let all_wait = tokio::time::timeout(Duration::from_secs(30), barrier.wait()).await;
    assert!(all_wait.is_ok(), "still {:?}", counts().await);
    assert_eq!(counts().await.claimed, SLOTS);
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads < 20, "{threads} threads");
    barrier.wait().await;
    while counts().await != Counts::default() {
        assert!(watch.elapsed() < Duration::from_secs(30), "still {:?}", counts().await);
        tokio::task::yield_now().await;
    }
    assert!(watch.elapsed() < Duration::from_secs(3), "took {:?}", watch.elapsed());
    stopper.stop();
    assert_eq!(run.await.unwrap().unwrap(), Shutdown::Clean);
}
