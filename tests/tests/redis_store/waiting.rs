//! Waiting for what becomes ready; in real time.

use std::time::Duration;

use common::message::option;
use common::queue_name::QueueName;
use common::store::{Disposition, Finished, Inspect as _, Store as _};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::rig::*;

const SOON: Duration = Duration::from_millis(100);
const A_WHILE: Duration = Duration::from_millis(400);

fn queues() -> Vec<QueueName> {
    vec![QueueName::default(), QueueName::canonical("other")]
}

#[tokio::test]
async fn what_is_held_by_priority_ends_a_wait() {
    let rig = Rig::new().await;
    rig.register(&["other"]).await;
    rig.enqueue(&[with_option(message("other", 1), option::PRIORITY, 3)]).await;
    timeout(SOON * 5, rig.store.wait(&queues(), None)).await.unwrap();
}

#[tokio::test]
async fn own_and_foreign_messages_wake_again_and_again() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let waiting = queues();
    for round in 0..6 {
        let mut wait = rig.store.wait(&waiting, None);
        assert!(timeout(A_WHILE, &mut wait).await.is_err(), "woke for nothing in round {round}");
        if round % 2 == 0 {
            rig.enqueue(&[message("default", round)]).await;
        } else {
            rig.python_sends("default", "x", body_in("default", "x", "").as_bytes()).await;
        }
        timeout(SOON, wait).await.unwrap();
        let found = rig.fetch(&worker, 10).await;
        assert_eq!(found.len(), 1);
        rig.finish(&worker, &found[0].claim, Disposition::Ack).await;
    }
}

#[tokio::test]
async fn a_waiting_worker_sends_nothing() {
    const ALONE: u8 = 8;
    let rig = Rig::alone(ALONE).await;
    let waiting = queues();
    assert!(timeout(Duration::from_millis(2_500), rig.store.wait(&waiting, None)).await.is_err());
    let connections = rig.connections(ALONE).await;
    assert_eq!(connections.len(), 2);
    for connection in connections {
        assert!(connection["idle"].parse::<u32>().unwrap() >= 2, "{connection:?}");
    }
}

#[tokio::test]
async fn killed_connections_end_a_wait_and_are_made_anew() {
    const ALONE: u8 = 9;
    let rig = Rig::alone(ALONE).await;
    let waiting = queues();
    let mut wait = rig.store.wait(&waiting, None);
    assert!(timeout(A_WHILE, &mut wait).await.is_err());
    for connection in rig.connections(ALONE).await {
        let _: i64 = rig.redis(&["CLIENT", "KILL", "ID", &connection["id"]]).await;
    }
    timeout(A_WHILE, wait).await.unwrap();
    let mut wait = rig.store.wait(&waiting, None);
    assert!(timeout(A_WHILE, &mut wait).await.is_err());
    rig.enqueue(&[message("default", 1)]).await;
    timeout(SOON, wait).await.unwrap();
}

#[tokio::test]
async fn a_list_of_another_type_ends_a_wait_without_haste() {
    let rig = Rig::new().await;
    let _: () = rig.redis(&["SET", ":other", "foreign"]).await;
    let waiting = queues();
    assert!(timeout(Duration::from_millis(50), rig.store.wait(&waiting, None)).await.is_err());
    timeout(Duration::from_secs(1), rig.store.wait(&waiting, None)).await.unwrap();
}

#[tokio::test]
async fn what_waits_for_its_actor_lies_where_python_looks_and_wakes_nobody() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let unknown = |argument| with_option(message("default", argument), option::UNKNOWN_SINCE, NOON);
    let release = async |argument| {
        rig.enqueue(&[unknown(argument)]).await;
        let found = rig.fetch(&worker, 9).await.remove(0);
        let disposition = Disposition::Defer(rig.later(30), delivered(&found));
        assert_eq!(rig.finish(&worker, &found.claim, disposition).await, Finished::Done);
    };
    // Among Rust's workers, it is delayed like everything else.
    release(1).await;
    assert!(rig.list(":default.DQ").await.is_empty());
    // A worker of Python runs what it finds in this list, if that has no eta; and acknowledges it where it says that it is.
    let _: i64 = rig.redis(&["ZADD", ":__heartbeats__", &rig.now().to_string(), "python"]).await;
    release(2).await;
    let listed = rig.list(":default.DQ").await;
    let body: String = rig.redis(&["HGET", ":default.DQ.msgs", &listed[0]]).await;
    assert!(body.starts_with(r#"{"queue_name":"default.DQ","actor_name":"count_to","args":[2]"#), "{body}");
    assert!(!body.contains("eta") && body.contains(&format!(r#""redis_message_id":"{}""#, listed[0])), "{body}");
    // It stays, and nobody wakes for it.
    assert_eq!(rig.beats(&worker, &[], 3).await, 0);
    assert_eq!((rig.list(":default.DQ").await, rig.counts("default").await), (listed.clone(), (0, 2, 0, 0)));
    let waiting = queues();
    let due = Some(rig.later(20));
    assert!(timeout(A_WHILE, rig.store.wait(&waiting, due)).await.is_err(), "woke for what is Python's");
    // What Python delays meanwhile is taken in from behind it.
    let eta = format!(r#","eta":{}"#, rig.now() + 2_000);
    rig.python_sends("default.DQ", "x", body_in("default.DQ", "x", &eta).as_bytes()).await;
    assert_eq!(rig.beats(&worker, &[], 2).await, 1);
    assert_eq!(rig.list(":default.DQ").await, listed);
    let found = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&found), [7]);
    rig.finish(&worker, &found[0].claim, Disposition::Ack).await;
    // Nobody took it: it is tried here again, and can be acknowledged by either.
    assert_eq!(rig.beats(&worker, &[], 30).await, 2);
    let body: String = rig.redis(&["HGET", ":default.msgs", &listed[0]]).await;
    assert!(body.starts_with(r#"{"queue_name":"default","actor_name":"count_to","args":[2]"#), "{body}");
    let mut found = arguments(&rig.fetch(&worker, 9).await);
    found.sort_unstable();
    assert_eq!(found, [1, 2]);
}

/// Stores a result as dramatiq does.
async fn python_stores(rig: &Rig, key: &str) {
    let mut steps = redis::pipe();
    steps.atomic().cmd("DEL").arg(key).ignore();
    steps.cmd("LPUSH").arg(key).arg("7").ignore().cmd("PEXPIRE").arg(key).arg(60_000).ignore();
    rig.pipe(&steps).await;
}

#[tokio::test]
async fn whoever_waits_for_a_result_is_told_and_asks_nothing_meanwhile() {
    const ALONE: u8 = 10;
    let rig = Rig::alone(ALONE).await;
    let key = format!("{} result", rig.namespace);
    let mut wait = rig.store.wait_stored(&key);
    assert!(timeout(Duration::from_millis(2_500), &mut wait).await.is_err());
    for connection in rig.connections(ALONE).await {
        assert!(connection["idle"].parse::<u32>().unwrap() >= 2, "{connection:?}");
    }
    python_stores(&rig, &key).await;
    timeout(SOON * 5, wait).await.unwrap();
    // What somebody takes away is waited for anew.
    let _: i64 = rig.redis(&["DEL", &key]).await;
    let mut wait = rig.store.wait_stored(&key);
    assert!(timeout(SOON, &mut wait).await.is_err());
    for connection in rig.connections(ALONE).await {
        let _: i64 = rig.redis(&["CLIENT", "KILL", "ID", &connection["id"]]).await;
    }
    assert!(timeout(SOON, &mut wait).await.is_err());
    python_stores(&rig, &key).await;
    timeout(Duration::from_secs(5), wait).await.unwrap();
}

#[tokio::test]
async fn a_result_wakes_those_who_wait_for_it_and_no_worker() {
    let rig = Rig::new().await;
    let waiting = queues();
    let mut idle = rig.store.wait(&waiting, None);
    assert!(timeout(SOON, &mut idle).await.is_err());
    let keys: Vec<_> = (0..1_000).map(|number| format!("{} result {number}", rig.namespace)).collect();
    let waits = join_all(keys.iter().map(|key| rig.store.wait_stored(key)));
    let storing = async {
        for key in keys.iter().rev() {
            python_stores(&rig, key).await;
        }
    };
    timeout(Duration::from_secs(20), async { tokio::join!(waits, storing) }).await.unwrap();
    assert!(timeout(SOON, &mut idle).await.is_err(), "nothing is ready");
}
