//! Lists, hashes and claims that disagree.
use tests::process::{PATIENCE, eventually_async};

use crate::rig::*;
use crate::work::{gate, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_listed_twice_runs_once_in_one_worker() {
    let rig = Rig::new().await;
    rig.put_body("twice", &body("twice", "say", r#"["twice"]"#));
    for _ in 0..3 {
        rig.list("twice");
    }
    let worker = rig.worker(2).await;
    rig.board.hear("twice").await;
    rig.settle(0).await;
    assert_eq!(rig.board.times("twice"), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_id_in_two_workers_only_the_first_end_has_effects() {
    let rig = Rig::new().await;
    let second = open(&rig.server.url(), &rig.namespace).await;
    // The actor fails at its end, so each accepted end leaves a dead letter.
    rig.put("twice", &body("twice", "gate_and_die", r#"["twice"]"#));
    // As many as the first worker takes besides.
    for _ in 0..2 {
        rig.send(say::message("between")).await;
    }
    rig.list("twice");
    let one = rig.worker(1).await;
    rig.board.hear("twice").await;
    let two = rig.worker_on(&second, 1).await;
    let both = eventually_async(PATIENCE, async || (rig.board.times("twice") == 2).then_some(())).await;
    both.expect("the second worker takes it as well");
    rig.board.open_gate();
    crate::listener::wait_for_line(&["1 acknowledgement"]);
    rig.settle(1).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_without_bodies_go_and_bodies_without_ids_stay() {
    let rig = Rig::new().await;
    rig.put_body("orphan", b"whatever it is");
    for ghost in ["ghost-1", "ghost-2"] {
        rig.list(ghost);
    }
    let _: i64 = rig.redis(&["RPUSH", ":default.DQ", "delayed-ghost"]);
    rig.send(say::message("after them")).await;
    let worker = rig.worker(2).await;
    rig.board.hear("after them").await;
    rig.settle(0).await;
    let inbox =
        eventually_async(PATIENCE, async || (rig.redis::<i64>(&["LLEN", ":default.DQ"]) == 0).then_some(())).await;
    inbox.expect("the delayed ghost is dropped");
    let bodies: Vec<(String, String)> = rig.redis(&["HGETALL", ":default.msgs"]);
    assert_eq!(bodies, [("orphan".to_owned(), "whatever it is".to_owned())]);
    rig.send(gate::message("still alive")).await;
    rig.board.hear("still alive").await;
    rig.board.open_gate();
    rig.settle(0).await;
    worker.stop().await;
}
