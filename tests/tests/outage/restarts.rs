//! kill -9 of the Redis, a hundred times, under load: whatever was acknowledged is there.

use crate::scene::{DURABLE, delayed, prioritised, report};
use common::{
    actor,
    actor::actors,
    broker::Broker,
    clock::Stopwatch,
    error::EnqueueError,
    message::{Message, Raw},
    queue_name::QueueName,
    store::Counts,
    worker::{Shutdown, Worker},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tests::{
    process::{PATIENCE, eventually},
    queue::message,
    redis::Server,
};

/// How often the server is killed.
const KILLS: usize = 100;

/// Between two kills, so many sends are acknowledged at least.
const SENDS: usize = 10;

/// How often each message ran.
#[derive(Default)]
struct Runs(Mutex<HashMap<u32, usize>>);

#[actor]
fn tick(runs: &Arc<Runs>, number: u32) {
    *runs.0.lock().unwrap().entry(number).or_default() += 1;
}

/// Most are plain, some delayed, some with a priority.
fn tick_message(number: u32) -> Message {
    let plain = message("tick", [Raw::from(number)]);
    match number % 10 {
        3 => delayed(plain, Duration::from_millis(300)),
        6 => prioritised(plain, 5),
        9 => prioritised(plain, -5),
        _ => plain,
    }
}

/// Sends one message after the other until it is told to end; answers which were acknowledged.
fn send(broker: &Broker, is_over: &AtomicBool, acknowledged: &AtomicUsize) -> Vec<u32> {
    let (mut sure, mut number) = (Vec::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let message = tick_message(number);
        // The outcome of a call that broke is not known: the same message again is no second one.
        while !is_over.load(Ordering::Relaxed) {
            match broker.enqueue_blocking(vec![message.clone()]) {
                Ok(_) => {
                    sure.push(number);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(EnqueueError::Unknown(_) | EnqueueError::NotStored { .. }) => {
                    // Between two attempts; nobody tells when the server is back.
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    sure
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_nothing_that_was_acknowledged() {
    let mut server = tokio::task::spawn_blocking(|| Server::start_with(&DURABLE)).await.unwrap();
    let url = server.url();
    let open = || async { Broker::builder().namespace("restarts").connect(&url).await.unwrap() };
    let (sender, receiver, looker) = (open().await, open().await, open().await);
    let runs = Arc::<Runs>::default();
    let worker = Worker::new(receiver).threads(2).actors(actors![tick]).state(runs.clone());
    let stopper = worker.stopper();
    let worker = tokio::spawn(async move { worker.run().await.unwrap() });

    let (is_over, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let sending = tokio::task::spawn_blocking({
        let (is_over, acknowledged) = (is_over.clone(), acknowledged.clone());
        move || send(&sender, &is_over, &acknowledged)
    });
    let started = Stopwatch::start();
    let (server, slowest) = tokio::task::spawn_blocking({
        let (is_over, acknowledged) = (is_over.clone(), acknowledged.clone());
        move || {
            let mut slowest = Duration::ZERO;
            for kill in 0..KILLS {
                let (back, before) = (Stopwatch::start(), acknowledged.load(Ordering::Relaxed));
                let is_loaded = || acknowledged.load(Ordering::Relaxed) >= before + SENDS;
                assert!(eventually(PATIENCE, || is_loaded().then_some(())).is_some(), "nothing is sent after {kill}");
                slowest = slowest.max(back.elapsed());
                server.kill();
                server.start_again();
            }
            is_over.store(true, Ordering::Relaxed);
            (server, slowest)
        }
    })
    .await
    .unwrap();
    let sure = sending.await.unwrap();
    let sent = sure.len();
    report(&format!("{KILLS} kills, {sent} sends acknowledged, slowest {SENDS} of them {slowest:.2?}"), started);

    let drained = Stopwatch::start();
    loop {
        let counts = looker.counts(&QueueName::default()).await;
        match counts {
            Ok(Counts { ready: 0, delayed: 0, claimed: 0, dead }) => {
                assert_eq!(dead, 0, "nothing dies of a server's death");
                break;
            }
            _ => assert!(drained.elapsed() < PATIENCE, "not drained: {counts:?}"),
        }
        tokio::task::yield_now().await;
    }
    report("drained", drained);
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    let runs = runs.0.lock().unwrap().clone();
    let lost: Vec<_> = sure.iter().filter(|number| !runs.contains_key(number)).collect();
    assert!(lost.is_empty(), "{} of {} were acknowledged and never ran: {lost:?}", lost.len(), sure.len());
    let again: usize = runs.values().map(|runs| runs - 1).sum();
    report(&format!("{} messages ran, {again} runs too many", runs.len()), started);
    drop(server);
}
