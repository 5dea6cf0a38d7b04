//! What broke earlier drafts of the protocol, each as a test.

use common::error::StoreError;
use common::message::option;
use common::store::{Disposition, FetchRequest, Finished, Inspect as _, Store as _};

use crate::rig::*;

#[tokio::test]
async fn a_worker_that_was_buried_is_a_stranger_until_it_beats() {
    let rig = Rig::new().await;
    let (paused, worker) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    rig.enqueue(&[message("default", 1)]).await;
    let held = claims(&rig.fetch(&paused, 1).await);
    rig.beats(&worker, &[], 11).await;
    rig.enqueue(&[message("default", 2)]).await;
    let want = FetchRequest { queue: paused.queues[0].clone(), count: 9, before: None };
    assert_eq!(rig.store.fetch(&paused, &[want], usize::MAX).await.unwrap_err(), StoreError::NotRegistered);
    let beat = rig.beat(&paused, &held).await;
    assert_eq!(beat.lost, held);
    assert_eq!(rig.finish(&paused, &held[0], Disposition::Ack).await, Finished::ClaimLost);
    // It goes on under the same id, and when it dies after that, nothing is lost.
    assert_eq!(arguments(&rig.fetch(&paused, 9).await), [1, 2]);
    assert_eq!(rig.beats(&worker, &[], 5).await, 2);
}

#[tokio::test]
async fn a_due_message_waits_while_its_id_is_in_use() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let plain = message("default", 1);
    let mut late = delayed("default", 2, rig.later(1));
    late.message_id = plain.message_id.clone();
    rig.enqueue(std::slice::from_ref(&late)).await;
    // Not by our rules, but so it may lie there.
    rig.python_sends(
        "default",
        plain.message_id.as_str(),
        body_in("default", plain.message_id.as_str(), "").as_bytes(),
    )
    .await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 0);
    let first = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&first), [7]);
    assert_eq!(rig.beats(&worker, &claims(&first), 1).await, 0);
    rig.finish(&worker, &first[0].claim, Disposition::Ack).await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 1);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn of_two_holders_one_may_retry_while_the_other_acknowledges() {
    let rig = Rig::new().await;
    let (one, two) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    let doubled = message("default", 1);
    rig.enqueue(std::slice::from_ref(&doubled)).await;
    let _: i64 = rig.redis(&["RPUSH", ":default", doubled.message_id.as_str()]).await;
    let first = rig.fetch(&one, 1).await.remove(0);
    let second = rig.fetch(&two, 1).await.remove(0);
    assert_eq!(first.claim, second.claim);
    let retry = Disposition::Retry(rig.later(1), with_option(delivered(&first), option::RETRIES, 1));
    assert_eq!(rig.finish(&one, &first.claim, retry).await, Finished::Done);
    assert_eq!(rig.finish(&two, &second.claim, Disposition::Ack).await, Finished::ClaimLost);
    rig.beats(&one, &[], 1).await;
    assert_eq!(delivered(&rig.fetch(&one, 9).await[0]).retries(), 1);
}

#[tokio::test]
async fn a_dead_worker_is_swept_on_queues_that_nobody_else_consumes() {
    let rig = Rig::new().await;
    let (dying, worker) = (rig.register(&["a", "b"]).await, rig.register(&["b"]).await);
    rig.enqueue(&[message("a", 1), message("b", 2)]).await;
    assert_eq!(rig.fetch(&dying, 9).await.len(), 2);
    assert_eq!(rig.beats(&worker, &[], 4).await, 2);
    assert_eq!(rig.list(":a").await.len(), 1);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn a_refused_completion_leaves_the_message_where_it_was() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let before = rig.keys().await;
    for (key, disposition) in [
        (":default.DQ.msgs", Disposition::Retry(rig.later(9), delivered(&found))),
        (":default@due", Disposition::Retry(rig.later(9), delivered(&found))),
        (":default.XQ", Disposition::DeadLetter(common::store::Body::Raw(b"x".to_vec()), "why".to_owned())),
        (":default.XQ@why", Disposition::DeadLetter(common::store::Body::Raw(b"x".to_vec()), "why".to_owned())),
    ] {
        let _: () = rig.redis(&["SET", key, "foreign"]).await;
        let answer = rig.finish(&worker, &found.claim, disposition).await;
        assert!(matches!(answer, Finished::Refused(StoreError::WrongKeyType { .. })), "{answer:?}");
        let _: i64 = rig.redis(&["DEL", key]).await;
        assert_eq!(rig.keys().await, before, "{key}");
    }
    let _: () = rig.redis(&["SET", ":default", "foreign"]).await;
    assert!(matches!(rig.finish(&worker, &found.claim, Disposition::Release).await, Finished::Refused(_)));
    let _: i64 = rig.redis(&["DEL", ":default"]).await;
    assert_eq!(rig.finish(&worker, &found.claim, Disposition::Release).await, Finished::Done);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1]);
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_from_the_claims() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let held = with_option(message("default", 3), option::PRIORITY, 2);
    rig.enqueue(&[delayed("default", 1, rig.later(1)), delayed("default", 2, rig.later(60)), held]).await;
    let _: i64 = rig.redis(&["DEL", ":default@due", ":default@held"]).await;
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1, 3]);
    let counts = rig.store.counts(&worker.queues[0]).await.unwrap();
    assert_eq!((counts.ready, counts.delayed), (0, 1));
}

#[tokio::test]
async fn what_python_took_over_from_a_stale_fleet_runs_once() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let held = with_option(message("default", 2), option::PRIORITY, 2);
    rig.enqueue(&[delayed("default", 1, rig.later(100)), held]).await;
    rig.clock.advance(std::time::Duration::from_secs(70));
    let fleet = rig.fleet("default").await;
    rig.python_buries(&fleet, "default").await;
    rig.python_buries(&fleet, "default.DQ").await;
    assert_eq!(rig.list(":default").await.len(), 1);
    assert_eq!(rig.list(":default.DQ").await.len(), 1);
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
    rig.clock.advance(std::time::Duration::from_secs(60));
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1]);
    assert!(rig.fetch(&worker, 9).await.is_empty());
}

#[tokio::test]
async fn a_worker_that_is_seen_late_is_dead_all_the_same() {
    let rig = Rig::new().await;
    let (dying, worker) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    rig.enqueue(&[message("default", 1)]).await;
    rig.fetch(&dying, 1).await;
    let mut moved = 0;
    for beat in 0..12 {
        moved += rig.beats(&worker, &[], 1).await;
        if beat % 2 == 1 {
            rig.clock.advance(common::store::BEAT_INTERVAL);
        }
    }
    assert_eq!(moved, 1);
}

#[tokio::test]
async fn what_is_absorbed_and_due_moves_in_the_same_beat() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.python_sends("default.DQ", "x", body_in("default.DQ", "x", &format!(r#","eta":{NOON}"#)).as_bytes()).await;
    let later = body_in("default.DQ", "y", &format!(r#","eta":{}"#, NOON + 500));
    rig.python_sends("default.DQ", "y", later.as_bytes()).await;
    let beat = rig.beat(&worker, &[]).await;
    assert_eq!(beat.moved, 1);
    assert_eq!(beat.next_due.unwrap().as_millis(), NOON + 500);
}

#[tokio::test]
async fn what_python_holds_of_a_stale_fleet_is_left_to_it() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let held = with_option(message("default", 2), option::PRIORITY, 2);
    rig.enqueue(&[delayed("default", 1, rig.later(75)), held]).await;
    rig.clock.advance(std::time::Duration::from_secs(70));
    let fleet = rig.fleet("default").await;
    for queue in ["default", "default.DQ"] {
        rig.python_buries(&fleet, queue).await;
        rig.python_fetches("python", queue).await;
    }
    // Both indexes still name what Python holds now.
    assert!(rig.fetch(&worker, 9).await.is_empty());
    rig.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(rig.beats(&worker, &[], 2).await, 0);
    assert!(rig.fetch(&worker, 9).await.is_empty());
}
