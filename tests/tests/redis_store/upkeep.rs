//! Beats: what they move, recover, expire and notice.

use std::time::Duration;

use common::error::StoreError;
use common::message::option;
use common::store::{BEAT_INTERVAL, Claim, Disposition, FetchRequest, Finished, Inspect as _, Store as _};

use crate::rig::*;

#[tokio::test]
async fn due_messages_come_in_the_order_of_their_time_and_never_early() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[
        delayed("default", 1, rig.later(3)),
        delayed("default", 2, rig.later(2)),
        delayed("default", 3, rig.later(9)),
    ])
    .await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 0);
    assert_eq!(rig.beat(&worker, &[]).await.next_due, Some(common::clock::Timestamp::from_millis(NOON + 2_000)));
    assert_eq!(rig.beats(&worker, &[], 2).await, 2);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2, 1]);
    assert_eq!(rig.beat(&worker, &[]).await.next_due, Some(common::clock::Timestamp::from_millis(NOON + 9_000)));
    assert_eq!(rig.store.counts(&worker.queues[0]).await.unwrap().delayed, 1);
}

#[tokio::test]
async fn a_delayed_message_keeps_its_priority() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let urgent = with_option(delayed("default", 1, rig.later(1)), option::PRIORITY, -3);
    rig.enqueue(&[message("default", 2), urgent]).await;
    rig.beats(&worker, &[], 1).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1, 2]);
}

#[tokio::test]
async fn what_python_delays_is_taken_over_as_it_is() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let bodies = [
        ("float", body_in("default.DQ", "float", &format!(r#","eta":{}.5"#, NOON + 2_000))),
        ("none", body_in("default.DQ", "none", "")),
        ("text", body_in("default.DQ", "text", r#","eta":"soon""#)),
        ("garbage", r#"{"options":{"eta":"#.to_owned()),
        ("big", body_in("default.DQ", "big", &format!(r#","eta":{},"n":12345678901234567890123"#, NOON + 2_000))),
        ("urgent", body_in("default.DQ", "urgent", r#","priority":-7"#)),
    ];
    for (id, body) in &bodies {
        rig.python_sends("default.DQ", id, body.as_bytes()).await;
    }
    let _: i64 = rig.redis(&["RPUSH", ":default.DQ", "ghost", "none"]).await;
    // Rust workers leave what is not due; the rest goes on at once.
    assert_eq!(rig.beat(&worker, &[]).await.moved, 4);
    assert_eq!(rig.store.counts(&worker.queues[0]).await.unwrap().delayed, 2);
    assert!(rig.list(":default.DQ").await.is_empty());
    let found = rig.fetch(&worker, 9).await;
    let ids: Vec<&str> = found.iter().map(|delivery| &*delivery.claim.id).collect();
    assert_eq!(ids[0], "urgent");
    assert_eq!(ids.len(), 4);
    assert_eq!(rig.beats(&worker, &claims(&found), 2).await, 2);
    let later = rig.fetch(&worker, 9).await;
    assert_eq!(later.len(), 2);
    for delivery in found.iter().chain(&later) {
        let expected = &bodies.iter().find(|(id, _)| **id == *delivery.claim.id).unwrap().1;
        let stored: String = rig.redis(&["HGET", ":default.msgs", &delivery.claim.id]).await;
        assert_eq!(stored, *expected);
        assert_eq!(rig.finish(&worker, &delivery.claim, Disposition::Ack).await, Finished::Done);
    }
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn more_than_fits_one_call_is_moved_in_one_beat() {
    let rig = Rig::new().await;
    let messages: Vec<_> = (0..2_500).map(|n| delayed("default", n, rig.later(1))).collect();
    rig.enqueue(&messages).await;
    assert_eq!(rig.list(":default.DQ").await.len(), 2_500);
    let worker = rig.register(&["default"]).await;
    assert!(rig.list(":default.DQ").await.is_empty());
    assert_eq!(rig.beats(&worker, &[], 1).await, 2_500);
    assert_eq!(rig.store.counts(&worker.queues[0]).await.unwrap().ready, 2_500);
}

#[tokio::test]
async fn a_dead_rust_worker_is_found_within_five_seconds_and_its_messages_come_first() {
    let rig = Rig::new().await;
    let dying = rig.register(&["default"]).await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    assert_eq!(arguments(&rig.fetch(&dying, 1).await), [1]);
    assert_eq!(rig.beats(&worker, &[], 2).await, 0);
    assert_eq!(rig.beats(&worker, &[], 2).await, 1);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1, 2]);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", dying.worker.as_str()]).await;
    assert_eq!(score, None);
    let is_known: bool = rig.redis(&["HEXISTS", ":@rust", dying.worker.as_str()]).await;
    assert!(!is_known);
}

#[tokio::test]
async fn a_dead_python_worker_is_found_after_a_minute_and_forgotten() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.python_sends("default", "x", body_in("default", "x", "").as_bytes()).await;
    rig.python_sends("default.DQ", "y", body_in("default.DQ", "y", r#","eta":9"#).as_bytes()).await;
    rig.python_fetches("python", "default").await;
    rig.python_fetches("python", "default.DQ").await;
    assert_eq!(rig.beats(&worker, &[], 54).await, 0);
    // One recovered at once, the other by way of the delay queue.
    assert_eq!(rig.beats(&worker, &[], 3).await, 2);
    assert_eq!(rig.fetch(&worker, 9).await.len(), 2);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", "python"]).await;
    assert_eq!(score, None);
}

#[tokio::test]
async fn what_a_dead_python_worker_ran_from_the_delay_queue_is_marked_and_what_it_had_delayed_is_not() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    // What waits for a worker that knows its actor has no eta there.
    let ran = format!("x#0badcafe~{}", rig.later(600));
    for (id, options) in [(&*ran, ""), ("delayed", r#","eta":9"#)] {
        rig.python_sends("default.DQ", id, body_in("default.DQ", id, options).as_bytes()).await;
        rig.python_fetches("python", "default.DQ").await;
    }
    rig.beats(&worker, &[], 57).await;
    assert_eq!(rig.list(":default.DQ").await, [&*ran]);
    assert_eq!(rig.list(":default").await, ["delayed"]);
    rig.clock.advance(Duration::from_secs(600));
    rig.beats(&worker, &[], 1).await;
    let found = rig.fetch(&worker, 9).await;
    let marked: Vec<(&str, bool)> = found.iter().map(|delivery| (&*delivery.claim.id, delivery.marked)).collect();
    assert_eq!(marked, [("delayed", false), (&*ran, true)]);
}

#[tokio::test]
async fn a_dead_python_worker_that_held_more_than_one_beat_moves_is_relieved_of_the_rest_by_the_next_one() {
    const MANY: usize = 100_500;
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let ids: Vec<_> = (0..MANY).map(|number| number.to_string()).collect();
    for some in ids.chunks(1_000) {
        let mut pipe = redis::pipe();
        let pairs: Vec<_> = some.iter().map(|id| (id, "{}")).collect();
        pipe.cmd("HSET").arg(format!("{}:default.msgs", rig.namespace)).arg(&pairs);
        pipe.cmd("SADD").arg(format!("{}:__acks__.python.default", rig.namespace)).arg(some);
        rig.pipe(&pipe).await;
    }
    let _: i64 = rig.redis(&["ZADD", ":__heartbeats__", &rig.now().to_string(), "python"]).await;
    assert_eq!(rig.beats(&worker, &[], 54).await, 0);
    assert_eq!(rig.beats(&worker, &[], 3).await, MANY);
    assert_eq!(rig.counts("default").await, (MANY, 0, 0, 0));
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", "python"]).await;
    assert_eq!(score, None);
    // So much is not left to those who come after.
    while rig.store.purge(&worker.queues[0]).await.unwrap() > 0 {}
}

#[tokio::test]
async fn a_python_worker_with_claims_elsewhere_keeps_its_heartbeat() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.python_sends("far", "x", body_in("far", "x", "").as_bytes()).await;
    rig.python_fetches("python", "far").await;
    rig.beats(&worker, &[], 60).await;
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", "python"]).await;
    assert!(score.is_some());
    // Somebody who looks after that queue brings it back.
    let other = rig.register(&["far"]).await;
    assert_eq!(rig.beats(&other, &[], 60).await, 1);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", "python"]).await;
    assert_eq!(score, None);
}

#[tokio::test]
async fn what_python_has_acknowledged_leaves_no_mark() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let dies_with = async |count: usize| {
        let dying = rig.register(&["default"]).await;
        let held = rig.fetch(&dying, count).await;
        for delivery in &held {
            rig.start(&dying, &delivery.claim).await;
        }
        rig.beats(&worker, &[], 5).await;
        held
    };
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    dies_with(2).await;
    for _ in 0..2 {
        let id = rig.python_fetches("python", "default").await;
        let _: i64 = rig.redis(&["SREM", ":__acks__.python.default", &id]).await;
        let _: i64 = rig.redis(&["HDEL", ":default.msgs", &id]).await;
    }
    let ttl: i64 = rig.redis(&["TTL", ":default@crashes"]).await;
    assert!((1..=7 * 24 * 60 * 60).contains(&ttl), "they go by themselves: {ttl}");
    // And sooner, where workers go on dying.
    rig.enqueue(&[message("default", 3)]).await;
    let held = dies_with(1).await;
    let notes: Vec<String> = rig.redis(&["HKEYS", ":default@crashes"]).await;
    assert_eq!(notes, [&*held[0].claim.id]);
}

#[tokio::test]
async fn a_report_of_what_waits_is_worth_nothing_after_the_next_beat() {
    let rig = Rig::new().await;
    let survivor = rig.register(&["default"]).await;
    let dying = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let held = claims(&rig.fetch(&dying, 1).await);
    rig.clock.advance(BEAT_INTERVAL);
    rig.store.beat(&dying, &held, &held).await.unwrap();
    let key = format!(":@waiting.{}", dying.worker.as_str());
    let report: String = rig.redis(&["GET", &key]).await;
    assert_eq!(report, format!("{} {{\"default\":[\"{}\"]}}", rig.now(), held[0].id));
    // It starts, and no beat has anything to say of it: nothing more is sent.
    rig.clock.advance(BEAT_INTERVAL);
    rig.store.beat(&dying, &held, &[]).await.unwrap();
    assert_eq!(rig.redis::<String>(&["GET", &key]).await, report);
    rig.beats(&survivor, &[], 5).await;
    assert!(rig.fetch(&survivor, 1).await[0].marked);
}

#[tokio::test]
async fn a_message_that_ends_well_has_its_crashes_forgotten() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let dying = rig.register(&["default"]).await;
    rig.fetch(&dying, 1).await;
    rig.beats(&worker, &[], 5).await;
    let found = rig.fetch(&worker, 1).await;
    assert!(rig.keys().await.contains(&":default@crashes".to_owned()));
    rig.finish(&worker, &found[0].claim, Disposition::Ack).await;
    assert!(rig.keys().await.is_empty());
}

#[tokio::test]
async fn what_a_lost_answer_brought_comes_back_after_twice_the_time_limit() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    let kept = claims(&rig.fetch(&worker, 1).await);
    // This answer never reached the worker.
    rig.fetch(&worker, 1).await;
    rig.beats(&worker, &kept, 4).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    rig.beats(&worker, &kept, 1).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn a_claim_that_somebody_tries_to_finish_is_no_surplus() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    // Another type where the retry should go: the completion is refused, and tried again and again.
    let _: () = rig.redis(&["SET", ":default.DQ.msgs", "foreign"]).await;
    for _ in 0..9 {
        let disposition = Disposition::Retry(rig.later(60), delivered(&found));
        let answer = rig.finish(&worker, &found.claim, disposition).await;
        assert!(
            matches!(&answer, Finished::Refused(StoreError::WrongKeyType { key, .. }) if key.ends_with(":default.DQ.msgs"))
        );
        rig.beats(&worker, &[], 1).await;
    }
    assert!(rig.fetch(&worker, 9).await.is_empty());
    assert_eq!(rig.finish(&worker, &found.claim, Disposition::Ack).await, Finished::Done);
}

#[tokio::test]
async fn foreign_types_are_named_and_nothing_is_half_done() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default", "other"]).await;
    let _: () = rig.redis(&["SET", ":default", "foreign"]).await;
    let error = rig.store.enqueue(&[message("other", 1), message("default", 2)]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("nothing was stored") && text.contains(":default` holds something foreign"), "{text}");
    assert_eq!(rig.keys().await, [":default"]);
    // The neighbour's messages come through.
    rig.enqueue(&[message("other", 3)]).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [3]);
    let want = FetchRequest { queue: worker.queues[0].clone(), count: 1, before: None };
    let refused = rig.store.fetch(&worker, &[want], usize::MAX).await.unwrap_err();
    assert!(matches!(refused, StoreError::WrongKeyType { key, .. } if key.ends_with(":default")));
    // And the upkeep goes on.
    rig.enqueue(&[delayed("other", 4, rig.later(1))]).await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 1);
}

#[tokio::test]
async fn a_worker_leaves_only_when_it_holds_nothing() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await;
    rig.store.deregister(&worker).await.unwrap();
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", worker.worker.as_str()]).await;
    assert!(score.is_some());
    assert_eq!(rig.finish(&worker, &found[0].claim, Disposition::Ack).await, Finished::Done);
    rig.store.deregister(&worker).await.unwrap();
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", worker.worker.as_str()]).await;
    assert_eq!(score, None);
    assert!(matches!(rig.store.fetch(&worker, &[], usize::MAX).await.unwrap_err(), StoreError::NotRegistered));
}

#[tokio::test]
async fn a_registration_without_a_heartbeat_is_mended_or_dropped() {
    let rig = Rig::new().await;
    let lost = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    rig.fetch(&lost, 1).await;
    let _: i64 = rig.redis(&["ZREM", ":__heartbeats__", lost.worker.as_str()]).await;
    let _: i64 = rig.redis(&["HSET", ":@rust", "nobody", "default"]).await;
    let worker = rig.register(&["default"]).await;
    let is_known: bool = rig.redis(&["HEXISTS", ":@rust", "nobody"]).await;
    assert!(!is_known);
    rig.beats(&worker, &[], 4).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1]);
}

#[tokio::test]
async fn a_pause_of_the_whole_fleet_kills_nobody() {
    let rig = Rig::new().await;
    let (one, two) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    rig.enqueue(&[message("default", 1)]).await;
    let held: Vec<Claim> = claims(&rig.fetch(&one, 1).await);
    for pause in [3, 60, 86_400] {
        rig.clock.advance(Duration::from_secs(pause));
        for _ in 0..3 {
            assert_eq!(rig.beat(&two, &[]).await.moved, 0);
            let beat = rig.beat(&one, &held).await;
            assert!(beat.lost.is_empty() && beat.moved == 0);
            rig.clock.advance(BEAT_INTERVAL);
        }
    }
}

#[tokio::test]
async fn reasons_whose_letters_python_has_deleted_go_as_well() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let _: i64 = rig.redis(&["HSET", ":default.XQ@why", "deleted", "17 is not allowed"]).await;
    rig.beats(&worker, &[], 90).await;
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}
