//! How a worker ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::queue_name::QueueName;
use common::worker::{Shutdown, Worker};

use super::kit::{Told, broker, ears, next, start_with, tell};

#[actor]
pub(crate) fn hold(told: &Told, gate: &Gate, name: String) {
    tell(told, name);
    gate.wait();
}

/// A door that actors wait at.
#[derive(Default, Clone)]
pub(crate) struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    fn wait(&self) {
        let (open, changed) = &*self.0;
        drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_requeues_what_has_not_started_and_waits_for_the_rest() {
    let broker = broker().await;
    let (told, heard) = ears();
    let gate = Gate::default();
    for name in ["one", "two", "three"] {
        hold::send(&broker, name).await.unwrap();
    }
    let worker =
        Worker::new(broker.clone()).threads(1).prefetch(2).actors(actors![hold]).state(told).state(gate.clone());
    let worker = start_with(worker);
    assert_eq!(next(&heard), "one");
    worker.settle("two are prefetched", |counts| counts.claimed == 3).await;
    worker.stopper.stop();
    worker.settle("two are back", |counts| counts.ready == 2 && counts.claimed == 1).await;
    gate.open();
    assert_eq!(worker.ended().await, Shutdown::Clean);
    let counts = broker.counts(&QueueName::default()).await.unwrap();
    assert_eq!((counts.ready, counts.claimed), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_stop_requeues_what_runs_and_waits_for_nothing() {
    let broker = broker().await;
    let (told, heard) = ears();
    let gate = Gate::default();
    hold::send(&broker, "one").await.unwrap();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![hold]).state(told).state(gate.clone());
    let worker = start_with(worker);
    next(&heard);
    worker.stopper.stop();
    worker.stopper.stop_now();
    assert_eq!(worker.ended().await, Shutdown::Forced);
    let counts = broker.counts(&QueueName::default()).await.unwrap();
    assert_eq!((counts.ready, counts.claimed), (1, 0));
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shutdown_timeout_ends_the_waiting() {
    let broker = broker().await;
    let (told, heard) = ears();
    let gate = Gate::default();
    hold::send(&broker, "one").await.unwrap();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![hold]).state(told).state(gate.clone());
    let worker = start_with(worker.shutdown_timeout(Duration::from_secs(600)));
    next(&heard);
    worker.stopper.stop();
    let advancing = tokio::spawn({
        let clock = broker.clock().clone();
        async move {
            loop {
                clock.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(worker.ended().await, Shutdown::Forced);
    advancing.abort();
    gate.open();
}
