//! Async actors hold a slot, and no thread. A program of its own, so that its threads can be counted.

use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::middlewares::retries::Retries;
use common::queue_name::QueueName;
use common::worker::{Stopped, Worker};

#[actor]
#[expect(clippy::disallowed_methods, reason = "an actor of a user sleeps as it likes")]
async fn doze() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wait_side_by_side_on_a_few_threads() {
    let broker = Broker::open("memory:", "dramatiq", Clock::system()).await.unwrap().with(Retries::default());
    let now = broker.clock().now();
    broker.enqueue((0..200).map(|_| doze::message().message(now).unwrap()).collect()).await.unwrap();
    let watch = Stopwatch::start();
    let worker = Worker::new(broker.clone()).threads(200).actors(actors![doze]);
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut most_claimed = 0;
    let mut most_threads = 0;
    loop {
        let counts = broker.counts(&QueueName::default()).await.unwrap();
        most_claimed = most_claimed.max(counts.claimed);
        most_threads = most_threads.max(std::fs::read_dir("/proc/self/task").unwrap().count());
        if counts.ready + counts.claimed == 0 {
            break;
        }
        assert!(watch.elapsed() < Duration::from_secs(30), "still {counts:?}");
        tokio::task::yield_now().await;
    }
    assert_eq!(most_claimed, 200);
    assert!(watch.elapsed() < Duration::from_secs(3), "took {:?}", watch.elapsed());
    assert!(most_threads < 20, "{most_threads} threads");
    stopper.stop();
    assert_eq!(run.await.unwrap().unwrap(), Stopped::Clean);
}
