//! A worker of many queues: what it claims, and how long the server is held up by it.

use std::collections::BTreeSet;

use common::clock::Timestamp;
use common::message::option;
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Delivery, Disposition, FetchRequest, Inspect as _, Registration, Store as _, Wake};
use tests::redis::Server;

use crate::rig::*;

/// Commands that a script may call: with one of them a microsecond, half of the ten milliseconds that a script may take.
const COMMANDS: usize = 5_000;

/// What one fetch brings at most, or one message.
const CHUNK_BYTES: usize = 4 << 20;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("q{at}")).collect()
}

async fn register(rig: &Rig, count: usize) -> Registration {
    let queues: Vec<_> = names(count).iter().map(|name| QueueName::canonical(name)).collect();
    rig.store.register(&queues).await.unwrap()
}

/// As a worker fetches: so many of all queues together.
async fn fetch(rig: &Rig, registration: &Registration, limit: usize) -> (Vec<Delivery>, bool) {
    let want = |queue: &QueueName| FetchRequest { queue: queue.clone(), count: limit, before: None };
    let requests: Vec<_> = registration.queues.iter().map(want).collect();
    let fetched = rig.store.fetch(registration, &requests, limit).await.unwrap();
    (fetched.deliveries, fetched.more)
}

/// The most commands that one script called while `work` went on.
async fn longest_script(server: &Server, work: impl Future<Output = ()>) -> usize {
    const END: &str = "the end of what is looked at";
    let mut monitor = server.connection();
    monitor.send_packed_command(&redis::cmd("MONITOR").get_packed_command()).unwrap();
    monitor.recv_response().unwrap();
    let reading = std::thread::spawn(move || {
        let (mut longest, mut commands) = (0, 0);
        loop {
            let line: String = redis::from_redis_value(monitor.recv_response().unwrap()).unwrap();
            if line.contains(END) {
                return longest;
            }
            commands = if line.contains(" lua] ") { commands + 1 } else { 0 };
            longest = longest.max(commands);
        }
    });
    work.await;
    let _: String = redis::cmd("ECHO").arg(END).query(&mut server.connection()).unwrap();
    tokio::task::spawn_blocking(|| reading.join().unwrap()).await.unwrap()
}

async fn finish(rig: &Rig, registration: &Registration, deliveries: &[Delivery]) {
    for delivery in deliveries {
        rig.finish(registration, &delivery.claim, Disposition::Ack).await;
    }
}

#[tokio::test]
async fn one_fetch_brings_four_megabytes_of_all_queues_together_or_one_message() {
    let rig = Rig::new().await;
    let worker = register(&rig, 8).await;
    let filler = |bytes: usize| format!(",\"filler\":\"{}\"", "x".repeat(bytes));
    for (at, queue) in names(8).iter().enumerate() {
        let bytes = if at % 2 == 0 { CHUNK_BYTES + 1 } else { CHUNK_BYTES / 3 };
        let body = body_in(queue, queue, &filler(bytes));
        rig.python_sends(queue, queue, body.as_bytes()).await;
    }
    let mut found = BTreeSet::new();
    while found.len() < 8 {
        let (deliveries, more) = fetch(&rig, &worker, 24).await;
        let length = |delivery: &Delivery| delivery.body.as_ref().unwrap().encode().len();
        let bytes: usize = deliveries.iter().map(length).sum();
        assert!(!deliveries.is_empty(), "nothing comes any more; so far {found:?}");
        assert!(deliveries.len() == 1 || bytes <= CHUNK_BYTES, "{bytes} bytes at once");
        found.extend(deliveries.iter().map(|delivery| delivery.claim.queue.to_string()));
        assert!(more || found.len() == 8, "it stops at {found:?}");
        finish(&rig, &worker, &deliveries).await;
    }
}

#[tokio::test]
async fn a_worker_of_many_queues_claims_no_more_than_it_asked_for() {
    let rig = Rig::new().await;
    let worker = register(&rig, 300).await;
    let messages: Vec<_> = (0..).zip(names(300)).map(|(at, queue)| message(&queue, at)).collect();
    rig.enqueue(&messages).await;
    rig.clock.advance(BEAT_INTERVAL);
    rig.beat(&worker, &[]).await;
    let mut found = Vec::new();
    while found.len() < 300 {
        let (deliveries, _) = fetch(&rig, &worker, 24).await;
        assert!(deliveries.len() <= 24, "{} claims", deliveries.len());
        assert!(!deliveries.is_empty(), "{} came, and nothing more does", found.len());
        found.extend(arguments(&deliveries));
        finish(&rig, &worker, &deliveries).await;
    }
    found.sort_unstable();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn ten_thousand_queues_serve() {
    const MANY: usize = 10_000;
    let rig = Rig::new().await;
    let worker = register(&rig, MANY).await;
    let some: Vec<_> = names(MANY).into_iter().step_by(500).collect();
    let mut found = BTreeSet::new();
    for (at, queue) in (0..).zip(&some) {
        rig.enqueue(&[message(queue, at)]).await;
    }
    // Whoever waits is told, and then a fetch knows where to look.
    while found.len() < some.len() {
        rig.store.wait(&worker.queues, None).await;
        let (deliveries, _) = fetch(&rig, &worker, 24).await;
        assert!(!deliveries.is_empty(), "{} came, and nothing more does", found.len());
        found.extend(arguments(&deliveries));
        finish(&rig, &worker, &deliveries).await;
    }
    // One that comes while it waits, in a queue of its own.
    let waiting = rig.store.wait(&worker.queues, None);
    let last = [message("q9999", 77)];
    let sending = rig.enqueue(&last);
    let (_, ()) = tokio::join!(waiting, sending);
    let (deliveries, _) = fetch(&rig, &worker, 24).await;
    assert_eq!(arguments(&deliveries), [77]);
}

#[tokio::test]
async fn what_comes_due_in_one_of_ten_thousand_queues_is_moved_on_time() {
    let rig = Rig::new().await;
    let worker = register(&rig, 10_000).await;
    let due = rig.now() + 5_000;
    rig.enqueue(&[with_option(message("q7777", 1), option::ETA, due)]).await;
    assert_eq!(rig.store.wait(&worker.queues, None).await, Wake::Due);
    assert_eq!(rig.beat(&worker, &[]).await.next_due.map(Timestamp::as_millis), Some(due));
    for _ in 0..4 {
        rig.clock.advance(BEAT_INTERVAL);
        assert_eq!(rig.beat(&worker, &[]).await.moved, 0);
    }
    rig.clock.advance(std::time::Duration::from_millis(600));
    let beat = rig.beat(&worker, &[]).await;
    assert_eq!((beat.moved, beat.ready), (1, true));
    let (deliveries, _) = fetch(&rig, &worker, 24).await;
    assert_eq!(arguments(&deliveries), [1]);
}

#[tokio::test]
async fn no_script_does_much_however_many_queues_there_are() {
    const MANY: usize = 5_000;
    let server = Server::start();
    let rig = Rig::at(&server.url()).await;
    let work = async {
        let worker = register(&rig, MANY).await;
        let messages: Vec<_> = (0..).zip(names(MANY)).map(|(at, queue)| message(&queue, at)).collect();
        rig.enqueue(&messages).await;
        let due = rig.now() + 1_000;
        let delayed = |at: i64| with_option(message(&format!("q{}", at % 40), at), option::ETA, due);
        rig.enqueue(&(0..6_000).map(delayed).collect::<Vec<_>>()).await;
        for _ in 0..6 {
            rig.clock.advance(BEAT_INTERVAL);
            // To be looked at makes the server slow: it may be late, as on any busy machine.
            while let Err(error) = rig.store.beat(&worker, &[], &[]).await {
                assert!(error.is_passing(), "{error}");
            }
        }
        for _ in 0..10 {
            let (deliveries, more) = fetch(&rig, &worker, 24).await;
            assert_eq!((deliveries.len(), more), (24, true));
            let queue = &deliveries[0].claim.queue;
            let of_queue = deliveries.iter().filter(|one| one.claim.queue == *queue).count();
            assert_eq!(rig.store.counts(queue).await.unwrap().claimed, of_queue);
            let workers = rig.store.workers(None, 10).await.unwrap();
            assert_eq!(workers.iter().map(|one| one.claims.len()).collect::<Vec<_>>(), [24]);
            assert_eq!(rig.store.queues(None, 3).await.unwrap().len(), 3);
            finish(&rig, &worker, &deliveries).await;
        }
        rig.store.deregister(&worker).await.unwrap();
    };
    let longest = longest_script(&server, work).await;
    assert!((100..COMMANDS).contains(&longest), "a script called {longest} commands");
    let beats: i64 = rig.redis(&["ZCARD", ":__heartbeats__"]).await;
    assert_eq!(beats, 0, "the worker is gone, and all fleets with it");
}
