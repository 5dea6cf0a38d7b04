//! The last worker of a queue that leaves, and what Python finds then.

use std::collections::BTreeSet;
use std::time::Duration;

use common::message::option;
use common::queue_name::QueueName;
use common::store::{Disposition, Inspect as _, Store as _};
use common::stores::redis::RedisStore;
use tests::process::PATIENCE;
use tests::proxy::Proxy;
use tests::redis::Server;
use tokio::time::timeout;

use crate::rig::*;

/// Delays the messages of these times, in seconds, under the names of their places.
async fn delay(rig: &Rig, seconds: &[u64]) -> Vec<String> {
    let messages: Vec<_> = seconds.iter().map(|seconds| delayed("default", 1, rig.later(*seconds))).collect();
    rig.enqueue(&messages).await;
    messages.iter().map(|message| message.message_id.to_string()).collect()
}

#[tokio::test]
async fn the_last_worker_hands_over_everything_in_its_order_and_leaves_nothing_of_its_own() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let ids = delay(&rig, &[9, 3, 60]).await;
    let ready: Vec<_> = [(1, 0), (2, 5), (3, -5), (4, 1), (5, -9), (6, -5)]
        .map(|(argument, priority)| with_option(message("default", argument), option::PRIORITY, priority))
        .to_vec();
    rig.enqueue(&ready).await;
    let before: Vec<(String, String)> = rig.redis(&["HGETALL", ":default.DQ.msgs"]).await;
    rig.store.deregister(&worker).await.unwrap();
    assert_eq!(rig.list(":default.DQ").await, [&*ids[1], &*ids[0], &*ids[2]]);
    let order = [5, 3, 6, 1, 4, 2].map(|argument: usize| ready[argument - 1].message_id.to_string());
    assert_eq!(rig.list(":default").await, order);
    // Not a byte of any body was touched.
    let after: Vec<(String, String)> = rig.redis(&["HGETALL", ":default.DQ.msgs"]).await;
    assert_eq!(sorted(after), sorted(before));
    assert_eq!(rig.keys().await, [":default", ":default.DQ", ":default.DQ.msgs", ":default.msgs"]);
    for key in [":__heartbeats__", ":@rust", ":@beats"] {
        let is_there: bool = rig.redis(&["EXISTS", key]).await;
        assert!(!is_there, "{key}");
    }
    // A sender at once after it does as if there had never been any Rust.
    let late = delay(&rig, &[1]).await.remove(0);
    assert_eq!(rig.list(":default.DQ").await.last(), Some(&late));
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

#[tokio::test]
async fn nothing_is_handed_over_while_another_worker_consumes_the_queue() {
    let rig = Rig::new().await;
    let (leaving, other) = (rig.register(&["default", "mail"]).await, rig.register(&["default"]).await);
    delay(&rig, &[1]).await;
    rig.enqueue(&[delayed("mail", 1, rig.later(1))]).await;
    rig.store.deregister(&leaving).await.unwrap();
    assert_eq!((rig.list(":default.DQ").await.len(), rig.list(":mail.DQ").await.len()), (0, 1));
    // One that is about to be taken for dead is none.
    rig.clock.advance(common::store::BEAT_INTERVAL * 4);
    let last = rig.register(&["default"]).await;
    rig.store.deregister(&last).await.unwrap();
    assert_eq!(rig.list(":default.DQ").await.len() + rig.list(":default").await.len(), 1);
    drop(other);
}

#[tokio::test]
async fn a_worker_that_comes_back_takes_everything_in_again() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let messages: Vec<_> = (0..2_500).map(|n| delayed("default", n, rig.later(2))).collect();
    rig.enqueue(&messages).await;
    rig.store.deregister(&worker).await.unwrap();
    assert_eq!(rig.list(":default.DQ").await.len(), 2_500);
    assert_eq!(rig.counts("default").await, (0, 2_500, 0, 0));
    let again = rig.register(&["default"]).await;
    assert!(rig.list(":default.DQ").await.is_empty());
    assert_eq!(rig.beats(&again, &[], 2).await, 2_500);
}

#[tokio::test]
async fn a_hand_over_that_is_refused_leaves_the_messages_where_they_are() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    delay(&rig, &[1, 2]).await;
    // Another type where they should go.
    let _: () = rig.redis(&["SET", ":default.DQ", "foreign"]).await;
    rig.store.deregister(&worker).await.unwrap();
    let fleet = rig.fleet("default").await;
    let claimed: Vec<String> = rig.redis(&["SMEMBERS", &format!(":__acks__.{fleet}.default.DQ")]).await;
    assert_eq!(claimed.len(), 2);
    // Stale for every sender, and there for Python's upkeep and for the next Rust worker.
    let score: String = rig.redis(&["ZSCORE", ":__heartbeats__", &fleet]).await;
    assert_eq!(score, "1");
    let _: i64 = rig.redis(&["DEL", ":default.DQ"]).await;
    let next = rig.register(&["default"]).await;
    assert_eq!(rig.beats(&next, &[], 2).await, 2);
}

/// So many that handing them over takes twenty steps.
const MANY: usize = 20_000;

/// The way of each step, there and back: a look between two of them finds some handed over, and most not.
const FAR: Duration = Duration::from_millis(250);

/// The last worker leaves, and something happens to the server when some of what is delayed is handed over, and most is not.
/// Answers the ids, in their order.
async fn leaves_while(rig: &Rig, server: &Server, happens: &[&str]) -> Vec<String> {
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let store = RedisStore::connect(&proxy.url(), &rig.namespace, rig.clock.clone()).await.unwrap();
    let worker = store.register(&[QueueName::default()]).await.unwrap();
    let due = |n: usize| rig.clock.now() + Duration::from_millis(u64::try_from(n).unwrap() + 1);
    let messages: Vec<_> = (0..MANY).map(|n| delayed("default", i64::try_from(n).unwrap(), due(n))).collect();
    rig.enqueue(&messages).await;
    proxy.delay(FAR);
    let happening = async {
        while rig.redis::<usize>(&["LLEN", ":default.DQ"]).await == 0 {}
        let _: () = rig.redis(happens).await;
        let listed: usize = rig.redis(&["LLEN", ":default.DQ"]).await;
        assert!(listed < MANY, "all is handed over");
    };
    let (left, happened) = tokio::join!(store.deregister(&worker), timeout(PATIENCE, happening));
    left.unwrap();
    happened.expect("something is handed over");
    messages.iter().map(|message| message.message_id.to_string()).collect()
}

#[tokio::test]
async fn a_server_that_may_not_be_written_amid_a_hand_over_loses_nothing_and_doubles_nothing() {
    let server = Server::start();
    let rig = Rig::at(&server.url()).await;
    let ids = leaves_while(&rig, &server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let listed = rig.list(":default.DQ").await;
    let fleet = rig.fleet("default").await;
    let claimed: BTreeSet<String> = rig.redis(&["SMEMBERS", &format!(":__acks__.{fleet}.default.DQ")]).await;
    assert!((1..MANY).contains(&listed.len()), "{} are handed over", listed.len());
    assert_eq!(listed, ids[..listed.len()], "the first ones, in their order");
    assert_eq!(claimed, ids[listed.len()..].iter().cloned().collect(), "the others stay with the fleet");
    // Whoever comes next has all of them.
    let _: () = rig.redis(&["REPLICAOF", "NO", "ONE"]).await;
    let next = rig.register(&["default"]).await;
    assert_eq!(rig.beats(&next, &[], 25).await, MANY);
    let ready = rig.list(":default").await;
    assert_eq!((ready.len(), rig.counts("default").await), (MANY, (MANY, 0, 0, 0)));
    assert_eq!(ready.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
}

#[tokio::test]
async fn a_server_that_becomes_full_amid_a_hand_over_does_not_hold_it_up() {
    let server = Server::start();
    let rig = Rig::at(&server.url()).await;
    let ids = leaves_while(&rig, &server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(rig.list(":default.DQ").await == ids, "all of them, in their order");
    assert_eq!(rig.keys().await, [":default.DQ", ":default.DQ.msgs"]);
}

#[tokio::test]
async fn what_python_has_taken_over_meanwhile_is_handed_over_once() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let ids = delay(&rig, &[100, 200]).await;
    let fleet = rig.fleet("default").await;
    rig.python_buries(&fleet, "default.DQ").await;
    let taken = rig.python_fetches("python", "default.DQ").await;
    rig.store.deregister(&worker).await.unwrap();
    let left: Vec<String> = ids.into_iter().filter(|id| *id != taken).collect();
    assert_eq!(rig.list(":default.DQ").await, left);
    assert!(!rig.keys().await.contains(&":default@due".to_owned()));
}

#[tokio::test]
async fn a_promoted_message_has_its_eta_under_another_name_where_python_takes_part() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let eta = NOON + 1_000;
    let body = |queue: &str, id: &str, args: &str, eta: &str| {
        format!(
            r#"{{"queue_name":"{queue}","actor_name":"a","args":[{args}],"kwargs":{{"eta":5}},"options":{{"redis_message_id":"{id}",{eta}}},"message_id":"{id}","message_timestamp":12345678901234567890123}}"#
        )
    };
    let bodies = [
        ("plain", r#"1,"é\",\"eta\":1""#, format!(r#""eta":{eta}"#), Some(format!(r#""@eta":{eta}"#))),
        ("float", "1.5e300", format!(r#""eta":{eta}.5,"z":1"#), Some(format!(r#""@eta":{eta}.5,"z":1"#))),
        // More digits than its time.
        ("longer", "2", format!(r#""eta":{eta}7"#), None),
        // Which of the two it is, nobody can say without reading all of it.
        ("twice", &*format!(r#"{{"eta":{eta}}}"#), format!(r#""eta":{eta}"#), None),
        ("spaced", "4", format!(r#""eta": {eta}"#), None),
    ];
    for is_shared in [true, false] {
        if is_shared {
            let _: i64 = rig.redis(&["ZADD", ":__heartbeats__", &rig.now().to_string(), "python"]).await;
        } else {
            let _: i64 = rig.redis(&["ZREM", ":__heartbeats__", "python"]).await;
        }
        for (id, args, option, _) in &bodies {
            rig.python_sends("default.DQ", id, body("default.DQ", id, args, option).as_bytes()).await;
        }
        rig.beats(&worker, &[], 2).await;
        for (id, args, option, renamed) in &bodies {
            let stored: Option<String> = rig.redis(&["HGET", ":default.msgs", id]).await;
            if *id == "longer" {
                assert_eq!(stored, None, "not due");
                continue;
            }
            // It names the queue that it lies in: there Python acknowledges it.
            let expected = match renamed.as_ref().filter(|_| is_shared) {
                Some(renamed) => body("default", id, args, renamed),
                None => body("default.DQ", id, args, option),
            };
            assert_eq!(stored.as_ref(), Some(&expected), "{id}");
        }
        for delivery in rig.fetch(&worker, 9).await {
            assert!(
                delivered(&delivery).eta(rig.clock.now()).is_some_and(|eta| eta <= rig.clock.now()),
                "to Rust it is what it was"
            );
            rig.finish(&worker, &delivery.claim, Disposition::Ack).await;
        }
        rig.store.purge(&worker.queues[0]).await.unwrap();
    }
}

#[tokio::test]
async fn a_python_worker_that_has_taken_over_another_queue_is_known_to_take_part() {
    let rig = Rig::new().await;
    rig.register(&["mail"]).await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[delayed("mail", 1, rig.later(600))]).await;
    let fleet = rig.fleet("mail").await;
    let beat = async |count| {
        for _ in 0..count {
            let _: i64 = rig.redis(&["ZADD", ":__heartbeats__", &rig.now().to_string(), "python"]).await;
            rig.beats(&worker, &[], 1).await;
        }
    };
    // Nobody else consumes that queue.
    beat(60).await;
    rig.python_buries(&fleet, "mail.DQ").await;
    beat(1).await;
    let id = delay(&rig, &[1]).await.remove(0);
    beat(2).await;
    let body: String = rig.redis(&["HGET", ":default.msgs", &id]).await;
    assert!(body.contains(r#""@eta":"#), "{body}");
}
