//! Workers that consume some of their actors' queues only.

use common::broker::Broker;
use common::error::WorkerError;
use common::queue_name::QueueName;
use common::worker::{Shutdown, Worker};
use common::{actor, actors};

use super::kit::{Told, broker, ears, next, start_with, tell};

#[actor]
fn usual(told: &Told, what: String) {
    tell(told, what);
}

#[actor(queue = "high")]
fn urgent(told: &Told, what: String) {
    tell(told, what);
}

#[actor(queue = "low")]
fn slow(told: &Told, what: String) {
    tell(told, what);
}

fn worker(broker: &Broker, told: Told) -> Worker {
    Worker::new(broker.clone()).threads(1).actors(actors![usual, urgent, slow]).state(told)
}

async fn waiting(broker: &Broker, queue: &str) -> usize {
    let counts = broker.counts(&QueueName::new(queue).unwrap()).await.unwrap();
    assert_eq!(counts.claimed, 0, "on {queue}");
    counts.ready
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_consumes_the_queues_that_it_is_told_and_leaves_the_others() {
    let broker = broker().await;
    let (told, heard) = ears();
    slow::send(&broker, "slow").await.unwrap();
    usual::send(&broker, "usual").await.unwrap();
    urgent::send(&broker, "urgent").await.unwrap();
    let worker = worker(&broker, told).queues(["high", "default"]);
    assert_eq!(worker.run_until_idle().await.unwrap(), Shutdown::Clean);
    let mut ran = [next(&heard), next(&heard)];
    ran.sort();
    assert_eq!(ran, ["urgent", "usual"]);
    assert!(heard.try_recv().is_err(), "nothing else has run");
    assert_eq!([waiting(&broker, "default").await, waiting(&broker, "low").await], [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_later_adds_to_it_and_others_see_only_these_queues() {
    let broker = broker().await;
    let worker = start_with(worker(&broker, ears().0).queues(["low".to_owned()]).queues(["high"]));
    let queues = loop {
        if let Some(worker) = broker.all_workers().await.unwrap().pop() {
            break worker.queues.unwrap();
        }
        tokio::task::yield_now().await;
    };
    let mut names: Vec<_> = queues.iter().map(QueueName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["high", "low"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_on_a_consumed_queue_runs_whatever_queue_its_actor_is_on() {
    let broker = broker().await;
    let (told, heard) = ears();
    let mut elsewhere = slow::message("elsewhere").message(broker.clock().now()).unwrap();
    elsewhere.queue_name = QueueName::new("high").unwrap();
    broker.enqueue(vec![elsewhere]).await.unwrap();
    worker(&broker, told).queues(["high"]).run_until_idle().await.unwrap();
    assert_eq!(heard.try_recv().as_deref(), Ok("elsewhere"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_no_actor_is_refused_with_those_there_are() {
    let broker = broker().await;
    let refused = worker(&broker, ears().0).queues(["high", "hihg"]).run().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no actor of this worker is on queue `hihg`; its actors are on `default`, `high`, `low`"
    );
    let none: [&str; 0] = [];
    let refused = worker(&broker, ears().0).queues(none).run().await.unwrap_err();
    assert_eq!(refused, WorkerError::NoQueues("`default`, `high`, `low`".to_owned()));
}
