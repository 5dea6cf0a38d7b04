//! Whose message it is.

use std::time::Duration;

use common::error::StoreError;
use common::message::{Message, option};
use common::store::{Disposition, FetchRequest, Finished, Inspect as _, Store as _};

use super::{BEYOND_DEATH, Beside, both};
use crate::rig::*;

/// Sends a message, and lists its id once more.
async fn doubled(rig: &Rig) -> Message {
    let message = message("default", 1);
    rig.enqueue(std::slice::from_ref(&message)).await;
    let _: i64 = rig.redis(&["RPUSH", ":default", message.message_id.as_str()]).await;
    message
}

#[tokio::test]
async fn buried_by_python_a_worker_wakes_as_a_stranger_goes_on_and_may_die_again() {
    let (rig, mut python, worker) = both().await;
    rig.enqueue(&[message("default", 1)]).await;
    let held = claims(&rig.fetch(&worker, 9).await);
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [1]);

    let want = FetchRequest { queue: worker.queues[0].clone(), count: 9, before: None };
    assert_eq!(rig.store.fetch(&worker, &[want], usize::MAX).await.unwrap_err(), StoreError::NotRegistered);
    assert_eq!(rig.finish(&worker, &held[0], Disposition::Ack).await, Finished::ClaimLost);
    assert_eq!(rig.beat(&worker, &held).await.lost, held);
    rig.enqueue(&[message("default", 2)]).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);

    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [2]);
    for argument in [1, 2] {
        python.ends(&rig, "ack", argument).await;
    }
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn of_two_holders_in_two_languages_the_first_one_ends_the_message() {
    for rust_first in [true, false] {
        for command in ["ack", "nack", "requeue"] {
            let (rig, mut python, worker) = both().await;
            doubled(&rig).await;
            let found = rig.fetch(&worker, 1).await.remove(0);
            assert_eq!(python.fetches(&rig, "default", false).await, [1]);
            let retry = Disposition::Retry(rig.later(1), with_option(delivered(&found), option::RETRIES, 1));
            let (retried, left) = if rust_first {
                let retried = rig.finish(&worker, &found.claim, retry).await;
                python.ends(&rig, command, 1).await;
                (retried, 1)
            } else {
                python.ends(&rig, command, 1).await;
                let retried = rig.finish(&worker, &found.claim, retry).await;
                // What Python requeues, its holder here still holds.
                (retried, usize::from(command == "requeue"))
            };
            let has_ended = !rust_first && command != "requeue";
            assert_eq!(
                retried,
                if has_ended { Finished::ClaimLost } else { Finished::Done },
                "{command}, {rust_first}"
            );
            rig.beats(&worker, &[], 1).await;
            let later = rig.fetch(&worker, 9).await;
            assert_eq!(later.len(), left, "{command}, rust first: {rust_first}");
            for delivery in later {
                assert_eq!(delivered(&delivery).retries(), 1);
                assert_eq!(rig.finish(&worker, &delivery.claim, Disposition::Ack).await, Finished::Done);
            }
            let dead = rig.store.dead_letters(&worker.queues[0], 0, 9).await.unwrap().len();
            assert_eq!(dead, usize::from(!rust_first && command == "nack"));
        }
    }
}

#[tokio::test]
async fn what_python_requeues_while_rust_runs_it_does_not_run_beside_itself() {
    let (rig, mut python, worker) = both().await;
    doubled(&rig).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    assert_eq!(python.fetches(&rig, "default", false).await, [1]);
    python.ends(&rig, "requeue", 1).await;
    assert_eq!(rig.list(":default").await.len(), 1);
    assert!(rig.fetch(&worker, 9).await.is_empty());
    assert_eq!(rig.finish(&worker, &found.claim, Disposition::Ack).await, Finished::Done);
    assert!(python.takes(&rig, "default").await.is_empty());
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn a_call_that_is_sent_again_while_python_holds_it_is_not_stored_twice() {
    let (rig, mut python, worker) = both().await;
    let plain = message("default", 1);
    rig.enqueue(std::slice::from_ref(&plain)).await;
    assert_eq!(python.takes(&rig, "default").await, [1]);
    rig.enqueue(std::slice::from_ref(&plain)).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    python.ends(&rig, "ack", 1).await;
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn what_comes_due_under_an_id_that_python_runs_waits_for_it() {
    let (rig, mut python, worker) = both().await;
    let late = delayed("default", 2, rig.later(1));
    rig.enqueue(std::slice::from_ref(&late)).await;
    // Not by anybody's rules, but so it may lie there.
    let id = late.message_id.as_str();
    rig.python_sends("default", id, body_in("default", id, "").as_bytes()).await;
    assert_eq!(python.takes(&rig, "default").await, [7]);
    assert_eq!(rig.beats(&worker, &[], 3).await, 0);
    python.ends(&rig, "ack", 7).await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 1);
    assert_eq!(python.takes(&rig, "default").await, [2]);
    python.ends(&rig, "ack", 2).await;
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn a_dead_worker_of_two_queues_is_swept_by_python_on_one_and_by_rust_on_the_other() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let dying = rig.register(&["a", "b"]).await;
    rig.enqueue(&[message("a", 1), message("b", 2), delayed("b", 3, rig.later(100))]).await;
    assert_eq!(rig.fetch(&dying, 9).await.len(), 2);
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "a").await, [1]);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", dying.worker.as_str()]).await;
    assert!(score.is_some(), "it still holds something of b");
    let worker = rig.register(&["b"]).await;
    assert_eq!(rig.beats(&worker, &[], 4).await, 1);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
    rig.clock.advance(Duration::from_secs(40));
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [3]);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", dying.worker.as_str()]).await;
    assert_eq!(score, None);
}

#[tokio::test]
async fn python_takes_over_from_a_worker_whose_completion_was_refused() {
    let (rig, mut python, worker) = both().await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let _: () = rig.redis(&["SET", ":default.DQ.msgs", "foreign"]).await;
    let retry = || Disposition::Retry(rig.later(1), with_option(delivered(&found), option::RETRIES, 1));
    assert!(matches!(
        rig.finish(&worker, &found.claim, retry()).await,
        Finished::Refused(StoreError::WrongKeyType { .. })
    ));
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [1]);
    let _: i64 = rig.redis(&["DEL", ":default.DQ.msgs"]).await;
    assert_eq!(rig.finish(&worker, &found.claim, retry()).await, Finished::ClaimLost);
    python.ends(&rig, "ack", 1).await;
    rig.beats(&worker, &[], 2).await;
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn requeued_and_taken_by_python_before_the_answer_came_it_is_not_requeued_again() {
    let (rig, mut python, worker) = both().await;
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    // The answer is lost.
    rig.finish(&worker, &found[0], Disposition::Release).await;
    assert_eq!(python.takes(&rig, "default").await, [1, 2]);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    assert_eq!(rig.finish(&worker, &found[0], Disposition::Release).await, Finished::ClaimLost);
    rig.beats(&worker, &[], 20).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    python.ends(&rig, "ack", 1).await;
    python.ends(&rig, "requeue", 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}
