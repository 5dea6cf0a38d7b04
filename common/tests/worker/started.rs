//! Workers that run beside their program, or until something else is done.

use std::future::ready;
use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::error::WorkerError;
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{RunningWorker, Shutdown, Worker};

use super::kit::{Told, broker, ears, next};
use super::runs::{say, say_async};
use super::stops::{Gate, hold};

fn worker(broker: &Broker, told: Told, gate: &Gate) -> Worker {
    Worker::new(broker.clone()).threads(1).actors(actors![say, say_async, hold]).state(told).state(gate.clone())
}

async fn counts(broker: &Broker) -> Counts {
    broker.counts(&QueueName::default()).await.unwrap()
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let watch = Stopwatch::start();
    while !is_so().await {
        assert!(watch.elapsed() < Duration::from_secs(30), "{what}: not in time");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_started_worker_runs_beside_its_program_until_it_is_stopped() {
    let broker = broker().await;
    let (told, heard) = ears();
    let running = worker(&broker, told, &Gate::default()).start();
    assert_eq!(running.ready().await, Ok(()));
    assert_eq!(broker.all_workers().await.unwrap().len(), 1, "it is registered");
    say::send(&broker, "sync").await.unwrap();
    assert_eq!(next(&heard), "sync");
    say_async::send(&broker, "async").await.unwrap();
    assert_eq!(next(&heard), "async");
    running.stop();
    assert_eq!(running.ready().await, Ok(()), "it was ready");
    assert_eq!(running.join().await, Ok(Shutdown::Clean));
    assert!(broker.all_workers().await.unwrap().is_empty());
}

#[test]
fn a_plain_main_starts_a_worker_and_waits_for_its_end() {
    let broker = Broker::connect_blocking("memory:").unwrap();
    let (told, heard) = ears();
    let running = Worker::new(broker.clone()).actors(actors![say]).state(told).start();
    running.ready_blocking().unwrap();
    say::send_blocking(&broker, "no tokio").unwrap();
    assert_eq!(next(&heard), "no tokio");
    running.stop();
    assert_eq!(running.join_blocking(), Ok(Shutdown::Clean));

    let running = worker(&broker, ears().0, &Gate::default()).start();
    assert_eq!(running.ready_blocking(), Err(WorkerError::NoRuntime("say_async")));
    assert_eq!(running.join_blocking(), Err(WorkerError::NoRuntime("say_async")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_start_says_why() {
    let broker = broker().await;
    let running = Worker::new(broker.clone()).start();
    assert_eq!(running.ready().await, Err(WorkerError::NoActors));
    assert_eq!(running.ready().await, Err(WorkerError::NoActors), "to everybody who asks");
    assert_eq!(running.join().await, Err(WorkerError::NoActors));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_started_worker_that_is_stopped_at_once_requeues_what_runs() {
    let broker = broker().await;
    let ((told, heard), gate) = (ears(), Gate::default());
    hold::send(&broker, "one").await.unwrap();
    let running = worker(&broker, told, &gate).start();
    assert_eq!(next(&heard), "one");
    running.stopper().stop();
    running.stop_now();
    assert_eq!(running.join().await, Ok(Shutdown::Forced));
    assert_eq!(counts(&broker).await, Counts { ready: 1, ..Counts::default() });
    gate.open();
}

/// Lets go of a started worker while one message runs and another one waits in it.
async fn ends_well_when(let_go: impl AsyncFnOnce(RunningWorker)) {
    let broker = broker().await;
    let ((told, heard), gate) = (ears(), Gate::default());
    hold::send(&broker, "one").await.unwrap();
    hold::send(&broker, "two").await.unwrap();
    let running = worker(&broker, told, &gate).prefetch(1).start();
    assert_eq!(next(&heard), "one");
    eventually("it has both", async || counts(&broker).await.claimed == 2).await;
    let_go(running).await;
    eventually("the one that has not started is back", async || counts(&broker).await.ready == 1).await;
    assert_eq!(counts(&broker).await.claimed, 1, "the other one runs");
    gate.open();
    eventually("it has left", async || broker.all_workers().await.unwrap().is_empty()).await;
    assert_eq!(counts(&broker).await, Counts { ready: 1, ..Counts::default() });
    assert!(heard.try_recv().is_err(), "nothing else has run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_handle_is_dropped_lets_end_what_runs_and_ends() {
    ends_well_when(async |running| drop(running)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_join_is_dropped_lets_end_what_runs_and_ends() {
    ends_well_when(async |running| {
        tokio::select! {
            biased;
            ended = running.join() => panic!("it should not end: {ended:?}"),
            () = ready(()) => {}
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_when_a_started_worker_is_ready_may_block_and_spawn() {
    let broker = broker().await;
    let ((told, heard), sender) = (ears(), broker.clone());
    let running = worker(&broker, told, &Gate::default()).on_ready(move || {
        say::send_blocking(&sender, "blocking").unwrap();
        tokio::spawn(async move { say::send(&sender, "spawned").await });
    });
    let running = running.start();
    running.ready().await.unwrap();
    let mut said = [next(&heard), next(&heard)];
    said.sort();
    assert_eq!(said, ["blocking", "spawned"]);
    let panics = worker(&broker, ears().0, &Gate::default()).on_ready(|| panic!("as the test wants it")).start();
    assert_eq!(panics.ready().await, Ok(()), "the worker goes on");
    for running in [running, panics] {
        running.stop();
        assert_eq!(running.join().await, Ok(Shutdown::Clean));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runs_until_something_else_is_done() {
    let broker = broker().await;
    let ((told, heard), gate) = (ears(), Gate::default());
    hold::send(&broker, "one").await.unwrap();
    let (end, is_over) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(worker(&broker, told, &gate).prefetch(0).run_until(is_over));
    assert_eq!(next(&heard), "one");
    end.send(()).unwrap();
    gate.open();
    assert_eq!(running.await.unwrap(), Ok(Shutdown::Clean));
    assert_eq!(counts(&broker).await, Counts::default(), "what ran has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_end_has_come_fetches_nothing() {
    let broker = broker().await;
    say::send(&broker, "one").await.unwrap();
    let ended = worker(&broker, ears().0, &Gate::default()).run_until(ready("whatever")).await;
    assert_eq!(ended, Ok(Shutdown::Clean));
    assert_eq!(counts(&broker).await, Counts { ready: 1, ..Counts::default() });
    let refused = Worker::new(broker).run_until(std::future::pending::<()>()).await;
    assert_eq!(refused, Err(WorkerError::NoActors));
}
