//! A server without room.

use common::error::{EnqueueError, StoreError};
use tests::process::{PATIENCE, eventually_async};

use crate::listener::lines;
use crate::rig::*;
use crate::work::{die, flaky, gate, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_refuses_whole_batches_and_is_drained_by_every_completion() {
    const BATCH: usize = 50;
    let rig = Rig::new().await;
    let worker = rig.worker(2).await;
    rig.send(gate::message("gate 1")).await;
    rig.send(gate::message("gate 2")).await;
    rig.board.hear("gate 1").await;
    rig.board.hear("gate 2").await;
    for number in 0..20 {
        rig.send(flaky::message(format!("flaky {number}"))).await;
        rig.send(die::message(format!("dead {number}"))).await;
    }

    let used: String = rig.redis(&["INFO", "memory"]);
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().to_owned();
    let limit = used.parse::<u64>().unwrap() + 8 * 1024 * 1024;
    let _: () = rig.redis(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    let mut stored = 0;
    let batch = |first: usize| {
        let calls = (first..first + BATCH).map(|number| say::message(format!("{number} {}", "x".repeat(10_000))));
        let now = rig.broker.clock().now();
        calls.map(move |call| call.message(now)).collect::<Result<Vec<_>, _>>().unwrap()
    };
    let error = loop {
        match rig.broker.enqueue(batch(stored)).await {
            Ok(_) => stored += BATCH,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EnqueueError::NotStored { stored: 0, cause: StoreError::Full(_) }), "{error:?}");
    assert!(error.to_string().contains("let workers drain it"), "{error}");
    let ready = rig.counts().await.unwrap().ready;
    assert!((stored..=stored + 42).contains(&ready), "{ready} are ready, {stored} were stored");

    rig.board.open_gate();
    let accepted = eventually_async(PATIENCE, async || rig.broker.enqueue(batch(stored)).await.ok()).await;
    accepted.expect("a drained Redis takes messages again");
    stored += BATCH;
    rig.settle(20).await;
    let said = rig.board.all();
    for number in 0..20 {
        assert_eq!(said[&format!("dead {number}")], 1);
        assert_eq!(said[&format!("flaky {number}")], 1);
    }
    assert_eq!(said.keys().filter(|what| what.ends_with("xxx")).count(), stored, "each batch as a whole");
    assert!(said.iter().all(|(what, times)| *times == 1 || what.ends_with("at first")));
    assert_eq!(lines(&[&rig.address(), "is full"]), [""; 0], "a worker needs no room");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_can_start_on_a_full_redis_and_drain_it() {
    let rig = Rig::new().await;
    rig.send(say::message("plain")).await;
    rig.send(flaky::message("flaky")).await;
    rig.send(die::message("dead")).await;
    rig.send(say::message("delayed").delay(std::time::Duration::from_millis(100))).await;
    let _: () = rig.redis(&["CONFIG", "SET", "maxmemory", "1"]);
    let worker = rig.worker(2).await;
    for what in ["plain", "flaky", "dead", "delayed"] {
        rig.board.hear(what).await;
    }
    rig.settle(1).await;
    let error = say::message("too much").send(&rig.broker).await.unwrap_err();
    assert!(matches!(error, EnqueueError::NotStored { cause: StoreError::Full(_), .. }), "{error:?}");
    let _: () = rig.redis(&["CONFIG", "SET", "maxmemory", "0"]);
    rig.send(say::message("room")).await;
    rig.board.hear("room").await;
    rig.settle(1).await;
    worker.stop().await;
}
