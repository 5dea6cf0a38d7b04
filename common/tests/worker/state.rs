//! What a worker lends to its actors.

use common::broker::Broker;
use common::error::EnqueueError;
use common::queue_name::QueueName;
use common::worker::Worker;
use common::{actor, actors};

use super::kit::{Told, broker, ears, next, start, start_with, tell};

#[actor]
fn hear(told: &Told, what: String) {
    tell(told, what);
}

/// Sends a message of its own.
#[actor]
fn pass_on(broker: &Broker, what: String) -> Result<(), EnqueueError> {
    hear::send_blocking(broker, what).map(drop)
}

#[actor]
async fn pass_on_async(broker: &Broker, what: String) -> Result<(), EnqueueError> {
    hear::send(broker, what).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_has_its_workers_broker_without_asking() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![hear, pass_on, pass_on_async], told);
    pass_on::send(&broker, "one").await.unwrap();
    assert_eq!(next(&heard), "one");
    pass_on_async::send(&broker, "two").await.unwrap();
    assert_eq!(next(&heard), "two");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_lent_on_purpose_goes_before_the_workers_own() {
    let (broker, other) = (broker().await, broker().await);
    let worker = start_with(Worker::new(broker.clone()).actors(actors![pass_on]).state(other.clone()));
    pass_on::send(&broker, "there").await.unwrap();
    worker.settle("it has run", |counts| counts == common::store::Counts::default()).await;
    assert_eq!(other.counts(&QueueName::default()).await.unwrap().ready, 1);
    worker.stop().await;
}
