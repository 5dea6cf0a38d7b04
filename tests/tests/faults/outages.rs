//! A server that forgets, restarts, hangs up, takes nobody in, or only reads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::error::{EnqueueError, StoreError};
use common::queue_name::QueueName;
use common::store::Store as _;
use common::stores::redis::RedisStore;
use tests::process::{PATIENCE, eventually_async, pause};
use tests::redis::Server;

use crate::listener::{lines, wait_for_line};
use crate::rig::*;
use crate::work::{flaky, gate, say};

/// How soon work goes on once the server is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_forgotten_again_and_again_are_learnt_again() {
    let rig = Rig::new().await;
    let worker = rig.worker(2).await;
    let forgetting = async {
        for _ in 0..300 {
            let _: () = rig.redis(&["SCRIPT", "FLUSH"]);
            tokio::task::yield_now().await;
        }
    };
    let sending = async {
        for number in 0..300 {
            rig.send(say::message(number.to_string())).await;
        }
    };
    tokio::join!(forgetting, sending);
    rig.settle(0).await;
    let said = rig.board.all();
    assert_eq!((said.len(), said.values().sum::<usize>()), (300, 300));
    assert_eq!(lines(&[&rig.address()]), [""; 0], "nobody has to know");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_outlive_a_flushall_and_go_on() {
    let rig = Rig::new().await;
    let second = open(&rig.server.url(), &rig.namespace).await;
    let workers = [rig.worker(2).await, rig.worker_on(&second, 2).await];
    for round in 0..3 {
        rig.board.close_gate();
        for number in 0..2 {
            rig.send(gate::message(format!("gate {round} {number}"))).await;
        }
        for number in 0..2 {
            rig.board.hear(&format!("gate {round} {number}")).await;
        }
        for _ in 0..5 {
            rig.send(say::message("lost")).await;
        }
        let _: () = rig.redis(&["FLUSHALL"]);
        rig.board.open_gate();
        let sent = Stopwatch::start();
        for number in 0..10 {
            rig.send(say::message(format!("after {round} {number}"))).await;
        }
        for number in 0..10 {
            rig.board.hear(&format!("after {round} {number}")).await;
        }
        assert!(sent.elapsed() < BACK_WITHIN, "{:?}", sent.elapsed());
        rig.settle(0).await;
    }
    let registered: i64 = rig.redis(&["ZCARD", ":__heartbeats__"]);
    assert_eq!(registered, 2 + 2, "both workers, and the fleets of their two queues");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_everything_may_be_killed_while_a_message_runs() {
    let mut rig = Rig::on(Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"])).await;
    let worker = rig.worker_with(1, 2).await;
    for round in 0..3 {
        rig.board.close_gate();
        let gate_name = format!("gate {round}");
        rig.send(gate::message(gate_name.as_str())).await;
        rig.board.hear(&gate_name).await;
        for number in 0..20 {
            rig.send(say::message(format!("{round} {number}"))).await;
        }
        // A fetch whose answer is lost comes back later than what this measures; so none is under way.
        let held = eventually_async(PATIENCE, async || rig.counts().await.filter(|counts| counts.claimed >= 2)).await;
        held.expect("one runs, and enough is fetched ahead");
        rig.server.kill();
        rig.board.open_gate();
        rig.board.hear(&format!("{gate_name}, open")).await;
        rig.server.start_again();
        let back = Stopwatch::start();
        rig.reconnect();
        for number in 0..20 {
            rig.board.hear(&format!("{round} {number}")).await;
        }
        assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
        rig.settle(0).await;
    }
    for (what, times) in rig.board.all() {
        assert_eq!(times, 1, "{what}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_go_on_after_a_server_that_comes_back_empty() {
    let mut rig = Rig::new().await;
    let worker = rig.worker(1).await;
    rig.send(gate::message("gate")).await;
    rig.board.hear("gate").await;
    rig.send(say::message("lost")).await;
    rig.server.kill();
    rig.server.start_again();
    let back = Stopwatch::start();
    rig.reconnect();
    rig.board.open_gate();
    rig.send_surely(say::message("after")).await;
    rig.board.hear("after").await;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    rig.settle(0).await;
    // It may have been fetched before the server died, and run before the loss is known; nobody else can run it.
    let lost = rig.board.times("lost");
    assert!(lost <= 1, "it ran {lost} times");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_may_be_killed_at_any_moment() {
    const KILLS: usize = 110;
    let rig = Rig::new().await;
    let second = open(&rig.server.url(), &rig.namespace).await;
    let workers = [rig.worker(2).await, rig.worker_on(&second, 2).await];
    let is_over = AtomicBool::new(false);
    let killing = async {
        for _ in 0..KILLS {
            let _: i64 = rig.redis(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            pause().await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    // How often the outcome of each send was unknown; some fail at first.
    let unknown = Mutex::new(BTreeMap::new());
    let sending = |sender: usize| {
        let (rig, is_over, unknown) = (&rig, &is_over, &unknown);
        async move {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                let what = format!("{sender} {number}");
                let call = if number % 10 == 0 {
                    flaky::message(what.as_str()).untyped()
                } else {
                    say::message(what.as_str()).untyped()
                };
                let times = rig.send_surely(call).await;
                unknown.lock().unwrap().insert(what, times);
            }
        }
    };
    tokio::join!(killing, sending(0), sending(1), sending(2), sending(3));
    let unknown = unknown.into_inner().unwrap();
    for what in unknown.keys() {
        rig.board.hear(what).await;
    }
    rig.settle(0).await;
    // What was acknowledged without an answer runs once; what was brought without one comes back and runs then. Only a message
    // that its sender has sent once more may run once more: when it had ended by then, nothing is left to know it by.
    let all = rig.board.all();
    for (what, unknown) in &unknown {
        let times = all[what];
        assert!(
            (1..=1 + unknown).contains(&times),
            "{what} ran {times} times, of {unknown} sends the outcome was unknown"
        );
    }
    let (sent, again) = (unknown.len(), unknown.keys().map(|what| all[what] - 1).sum::<usize>());
    println!(
        "{sent} sent, {} of them once more, {again} runs too many",
        unknown.values().filter(|times| **times > 0).count()
    );
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_nobody_in_serves_who_is_there_and_is_tried_again() {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    rig.send(say::message("before")).await;
    rig.board.hear("before").await;
    let _: () = rig.redis(&["CONFIG", "SET", "maxclients", "1"]);
    rig.send(say::message("on an old connection")).await;
    rig.board.hear("on an old connection").await;
    rig.settle(0).await;

    let _: i64 = rig.redis(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    wait_for_line(&["WARN", &rig.address(), "cannot be reached"]);
    let refused = eventually_async(PATIENCE, async || say::message("refused").send(&rig.broker).await.err()).await;
    let refused = refused.unwrap();
    assert!(matches!(refused, EnqueueError::NotStored { stored: 0, cause: StoreError::Unreachable(_) }), "{refused}");
    let _: () = rig.redis(&["CONFIG", "SET", "maxclients", "100"]);
    let back = Stopwatch::start();
    rig.send_surely(say::message("after")).await;
    rig.board.hear("after").await;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    rig.settle(0).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_is_left_and_work_goes_on_when_it_is_a_master_again() {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    rig.send(gate::message("gate")).await;
    rig.board.hear("gate").await;
    rig.send(say::message("waiting")).await;
    // Of a master that does not exist, so the data stay.
    let _: () = rig.redis(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = say::message("refused").send(&rig.broker).await.unwrap_err();
    let EnqueueError::NotStored { stored: 0, cause: StoreError::Unreachable(cause) } = refused else {
        panic!("{refused}")
    };
    assert!(cause.starts_with("READONLY"), "{cause}");
    rig.board.open_gate();
    wait_for_line(&["WARN", &rig.address(), "READONLY"]);

    let _: () = rig.redis(&["REPLICAOF", "NO", "ONE"]);
    let back = Stopwatch::start();
    rig.board.hear("waiting").await;
    rig.settle(0).await;
    assert!(back.elapsed() < BACK_WITHIN, "{:?}", back.elapsed());
    let all = rig.board.all();
    assert!(all.values().all(|times| *times == 1), "{all:?}");
    let said = lines(&["WARN", &rig.address(), "READONLY"]);
    assert!(said.len() <= 2, "{said:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_held_up_by_somebodys_script_is_waited_for() {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    let _: () = rig.redis(&["CONFIG", "SET", "busy-reply-threshold", "50"]);
    let mut other = rig.server.connection();
    let looping = std::thread::spawn(move || {
        redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut other).unwrap_err().to_string()
    });
    wait_for_line(&["WARN", &rig.address(), "cannot be reached"]);
    let killed = eventually_async(PATIENCE, async || rig.try_redis::<()>(&["SCRIPT", "KILL"]).ok()).await;
    killed.unwrap();
    looping.join().unwrap();
    rig.send_surely(say::message("after")).await;
    rig.board.hear("after").await;
    rig.settle(0).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_leaves_while_its_beat_is_not_answered_waits_for_no_other_call() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url(), "dramatiq", Clock::system()).await.unwrap();
    let registration = store.register(&[QueueName::default()]).await.unwrap();
    server.pause();
    let (beaten, left) = tokio::join!(
        async {
            store.beat(&registration, &[], &[]).await.unwrap_err();
            Stopwatch::start()
        },
        async {
            store.deregister(&registration).await.unwrap_err();
            Stopwatch::start()
        }
    );
    // As long as a call may take.
    let later = beaten.elapsed().saturating_sub(left.elapsed());
    assert!(later < Duration::from_secs(1), "{later:?}");
}
