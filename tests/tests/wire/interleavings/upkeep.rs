//! What is moved, taken over and forgotten, by clocks that may differ.

use std::time::Duration;

use common::clock::Timestamp;
use common::message::option;
use common::store::{BEAT_INTERVAL, Body, Disposition, Finished, Inspect as _};

use super::python::Taken;
use super::{BEATS_UNTIL_PYTHON_IS_DEAD, BEYOND_DEATH, Beside, both, with_a_clock_of_its_own};
use crate::rig::*;

#[tokio::test]
async fn python_takes_over_from_the_claims_when_the_indexes_are_lost() {
    let (rig, mut python, worker) = both().await;
    let held = with_option(message("default", 1), option::PRIORITY, 2);
    rig.enqueue(&[held, delayed("default", 2, rig.later(1))]).await;
    let _: i64 = rig.redis(&["DEL", ":default@due", ":default@held"]).await;
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [1]);
    assert_eq!(python.takes(&rig, "default.DQ").await, [2]);
    // The fleet is back, and has nothing to say any more.
    assert_eq!(rig.beats(&worker, &[], 3).await, 0);
    assert!(rig.fetch(&worker, 9).await.is_empty());
    python.ends(&rig, "ack", 1).await;
    python.promotes(&rig, 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn a_fleet_that_comes_back_leaves_what_python_took_and_takes_the_rest() {
    let (rig, mut python, worker) = both().await;
    rig.enqueue(&[delayed("default", 1, rig.later(75)), delayed("default", 2, rig.later(76))]).await;
    rig.clock.advance(BEYOND_DEATH);
    python.script.fetch(&rig, &mut python.worker, "default.DQ", 1, true).await;
    let taken = python.worker.held[0].number();
    // Both indexes still name both.
    rig.clock.advance(Duration::from_secs(10));
    rig.beats(&worker, &[], 2).await;
    let other = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&other), [3 - taken]);
    assert_eq!(rig.finish(&worker, &other[0].claim, Disposition::Ack).await, Finished::Done);
    // Python dies with the one that it has; nobody else has it before it is dead.
    rig.beats(&worker, &[], BEATS_UNTIL_PYTHON_IS_DEAD / 2).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    rig.beats(&worker, &[], BEATS_UNTIL_PYTHON_IS_DEAD).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [taken]);
}

#[tokio::test]
async fn a_python_worker_that_is_seen_late_is_buried_and_its_late_end_changes_nothing() {
    for command in ["ack", "nack", "requeue"] {
        let (rig, mut python, worker) = both().await;
        python.script.enqueue(&rig, "sender", "default", 1, None).await;
        assert_eq!(python.fetches(&rig, "default", false).await, [1]);
        let mut looks = 0;
        while rig.beats(&worker, &[], 1).await == 0 {
            looks += 1;
            assert!(looks < BEATS_UNTIL_PYTHON_IS_DEAD, "it is never taken over");
            // Held up ourselves: the next look tells nothing.
            rig.clock.advance(BEAT_INTERVAL);
            assert_eq!(rig.beats(&worker, &[], 1).await, 0);
        }
        assert!(looks > BEATS_UNTIL_PYTHON_IS_DEAD / 2, "taken over after {looks} looks");
        let found = rig.fetch(&worker, 9).await;
        assert_eq!(arguments(&found), [1]);
        python.ends(&rig, command, 1).await;
        assert!(python.fetches(&rig, "default", false).await.is_empty(), "{command}");
        let dead = Disposition::DeadLetter(Body::Message(delivered(&found[0])), "why".to_owned());
        assert_eq!(rig.finish(&worker, &found[0].claim, dead).await, Finished::Done, "{command}");
        let letters = rig.store.dead_letters(&worker.queues[0], 0, 9).await.unwrap();
        assert_eq!((letters.len(), letters[0].reason.as_deref()), (1, Some("why")));
    }
}

#[tokio::test]
async fn what_python_delays_until_now_moves_in_the_beat_that_finds_it() {
    let (rig, python, worker) = both().await;
    for (argument, eta) in [(1, NOON), (2, NOON + 500), (3, NOON - 9)] {
        python.script.enqueue(&rig, "sender", "default.DQ", argument, Some(eta)).await;
    }
    let beat = rig.beat(&worker, &[]).await;
    assert_eq!((beat.moved, beat.next_due), (2, Some(Timestamp::from_millis(NOON + 500))));
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [3, 1]);
}

#[tokio::test]
async fn a_python_whose_clock_is_ahead_robs_beyond_its_time_limit_only_and_nothing_ends_twice() {
    let rig = Rig::new().await;
    let ahead = with_a_clock_of_its_own(&rig).await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1), delayed("default", 2, rig.later(3_600))]).await;
    let found = claims(&rig.fetch(&worker, 9).await);
    ahead.clock.advance(Duration::from_secs(50));
    for queue in ["default", "default.DQ"] {
        assert!(python.takes(&ahead, queue).await.is_empty(), "{queue}");
    }
    rig.beats(&worker, &found, 10).await;
    ahead.clock.advance(Duration::from_secs(100));
    assert_eq!(python.takes(&ahead, "default").await, [1]);
    assert_eq!(python.takes(&ahead, "default.DQ").await, [2]);
    assert_eq!(rig.finish(&worker, &found[0], Disposition::Ack).await, Finished::ClaimLost);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    python.ends(&ahead, "ack", 1).await;
    // Neither does its heartbeat out of the future keep it alive for ever.
    rig.beats(&worker, &[], BEATS_UNTIL_PYTHON_IS_DEAD).await;
    rig.clock.advance(Duration::from_secs(3_600));
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn a_python_whose_clock_is_behind_is_not_taken_for_dead_and_robs_nobody() {
    let rig = Rig::new().await;
    let behind = with_a_clock_of_its_own(&rig).await;
    rig.clock.advance(Duration::from_secs(3_600));
    let mut python = Beside::new(&rig).await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    assert_eq!(python.takes(&behind, "default").await, [1]);
    rig.enqueue(&[message("default", 2)]).await;
    let found = claims(&rig.fetch(&worker, 9).await);
    for _ in 0..6 {
        assert_eq!(rig.beats(&worker, &found, BEATS_UNTIL_PYTHON_IS_DEAD / 3).await, 0);
        behind.clock.advance(Duration::from_secs(20));
        assert!(python.takes(&behind, "default").await.is_empty());
    }
    python.ends(&behind, "ack", 1).await;
    assert_eq!(rig.finish(&worker, &found[0], Disposition::Ack).await, Finished::Done);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn a_queue_that_python_flushes_leaves_nothing_behind_and_goes_on() {
    let (rig, mut python, worker) = both().await;
    let held = with_option(message("default", 1), option::PRIORITY, 2);
    rig.enqueue(&[message("default", 2), message("default", 3), held, delayed("default", 4, rig.later(9))]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    for queue in ["default", "default.DQ"] {
        let nothing = Taken { queue: queue.to_owned(), id: String::new(), message: message(queue, 0) };
        python.script.end(&rig, "purge", &python.worker, &nothing).await;
    }
    assert_eq!(rig.finish(&worker, &found[0], Disposition::Ack).await, Finished::ClaimLost);
    assert!(rig.fetch(&worker, 9).await.is_empty());
    assert_eq!(rig.beats(&worker, &[], 10).await, 0);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
    rig.enqueue(&[message("default", 5)]).await;
    assert_eq!(python.takes(&rig, "default").await, [5]);
}

#[tokio::test]
async fn everything_is_deleted_while_both_hold_something_and_both_go_on() {
    let (rig, mut python, worker) = both().await;
    let held = with_option(message("default", 3), option::PRIORITY, 2);
    rig.enqueue(&[message("default", 1), message("default", 2), held, delayed("default", 4, rig.later(9))]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    assert_eq!(python.takes(&rig, "default").await, [2]);
    for key in rig.redis::<Vec<String>>(&["KEYS", ":*"]).await {
        let _: i64 = rig.redis(&["DEL", &key]).await;
    }
    python.ends(&rig, "nack", 2).await;
    assert_eq!(rig.finish(&worker, &found[0], Disposition::Ack).await, Finished::ClaimLost);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    assert_eq!(rig.beats(&worker, &[], 10).await, 0);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
    rig.enqueue(&[message("default", 5), message("default", 6)]).await;
    assert_eq!(arguments(&rig.fetch(&worker, 1).await), [5]);
    assert_eq!(python.takes(&rig, "default").await, [6]);
}
