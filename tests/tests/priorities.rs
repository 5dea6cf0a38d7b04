//! What goes first, though others were fetched before.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::queue_name::QueueName;
use common::worker::Worker;
use tests::process::{PATIENCE, eventually_async};
use tests::redis;

/// How many messages the worker has claimed.
const LOW: usize = 100;

/// Says that it has begun, and ends when it is told to.
#[actor]
fn step(told: &Mutex<Sender<String>>, gate: &Mutex<Receiver<()>>, name: String) {
    told.lock().unwrap().send(name).unwrap();
    gate.lock().unwrap().recv().unwrap();
}

/// One thread, with a hundred messages claimed: what goes before them is next.
async fn overtakes(broker: Broker) {
    let (told, begun) = channel::<String>();
    let (open, gate) = channel();
    let next = || tokio::task::block_in_place(|| begun.recv_timeout(PATIENCE)).expect("another one begins");
    let worker = Worker::new(broker.clone()).actors(actors![step]).state(Mutex::new(told)).state(Mutex::new(gate));
    let claimed = async |count: usize| {
        let are_claimed = async || {
            let counts = broker.counts(&QueueName::default()).await.ok()?;
            (counts.claimed == count && counts.ready == 0).then_some(())
        };
        assert!(eventually_async(PATIENCE, are_claimed).await.is_some(), "{count} should be claimed");
    };
    let send = async |name: &str, priority| {
        step::message(name).priority(priority).send(&broker).await.unwrap();
    };

    for number in 0..LOW {
        send(&format!("low {number}"), 1).await;
    }
    let running = worker.threads(1).prefetch(LOW).start();
    assert_eq!(next(), "low 0");
    claimed(LOW).await;
    // The urgent one goes before the plain one, which goes before all that were fetched before them.
    send("plain", 0).await;
    claimed(LOW + 1).await;
    send("urgent", -5).await;
    claimed(LOW + 2).await;
    // What the store has given out may still be on its way; it has arrived once the worker has asked for more.
    send("probe", -4).await;
    claimed(LOW + 3).await;
    let mut order = Vec::new();
    for _ in 0..LOW + 2 {
        open.send(()).unwrap();
        order.push(next());
    }
    order.retain(|name| name != "probe");
    let low = (1..LOW).map(|number| format!("low {number}"));
    assert_eq!(order, ["urgent", "plain"].map(str::to_owned).into_iter().chain(low).collect::<Vec<_>>());
    open.send(()).unwrap();
    claimed(0).await;
    running.stop();
    running.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_first_overtakes_what_was_fetched_before_on_redis() {
    overtakes(Broker::connect(&format!("{}?namespace={}", redis::url(), redis::namespace())).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_first_overtakes_what_was_fetched_before_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.db");
    overtakes(Broker::connect(&format!("sqlite:{}", path.display())).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_first_overtakes_what_was_fetched_before_in_memory() {
    overtakes(Broker::connect("memory:").await.unwrap()).await;
}
