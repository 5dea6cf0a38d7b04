//! Races with dramatiq's own script, written out step by step on a clock that moves by hand.
//!
//! Whatever the order, each message ends once, and nothing is left of it.

use std::time::Duration;

use common::clock::Timestamp;
use common::error::StoreError;
use common::message::{Message, option};
use common::store::{Answer, BEAT_INTERVAL, Body, Inspect as _, Place, Store as _, Want};

use self::script::{Python, Script, Taken};
use crate::rig::*;

#[allow(dead_code, reason = "another test's loader, of which not all is needed here")]
#[path = "../redis_store/walk/python.rs"]
mod script;

/// Longer than Python waits for a sign of life.
const BEYOND_DEATH: Duration = Duration::from_secs(70);

/// So many beats until a Rust worker is sure that a Python worker is dead.
const BEATS_TO_BURY_PYTHON: usize = 60;

/// One Python worker beside the rig's store.
struct Beside {
    script: Script,
    worker: Python,
}

impl Beside {
    async fn new(rig: &Rig) -> Self {
        Self { script: Script::load(rig).await, worker: Python::new() }
    }

    /// Looks for the dead, and takes what there is; returns the arguments.
    async fn takes(&mut self, rig: &Rig, queue: &str) -> Vec<i64> {
        self.fetches(rig, queue, true).await
    }

    async fn fetches(&mut self, rig: &Rig, queue: &str, maintains: bool) -> Vec<i64> {
        let before = self.worker.held.len();
        self.script.fetch(rig, &mut self.worker, queue, 99, maintains).await;
        self.worker.held[before..].iter().map(number).collect()
    }

    /// Ends a message by `ack`, `nack` or `requeue`.
    async fn ends(&mut self, rig: &Rig, command: &str, argument: i64) {
        let at = self.worker.held.iter().position(|taken| number(taken) == argument).expect("it holds the message");
        let taken = self.worker.held.remove(at);
        self.script.end(rig, command, &self.worker, &taken).await;
    }

    /// Moves what is due from its memory to the queue, as dramatiq does it: first there, then away.
    async fn promotes(&mut self, rig: &Rig, argument: i64) {
        self.script.enqueue(rig, &self.worker.id, "default", argument, None).await;
        self.ends(rig, "ack", argument).await;
    }
}

fn number(taken: &Taken) -> i64 {
    Message::decode(&taken.bytes, Timestamp::EPOCH).unwrap().args[0].read().unwrap()
}

/// A place on the same Redis whose clock is its own.
async fn with_a_clock_of_its_own(rig: &Rig) -> Rig {
    let mut other = Rig::new().await;
    other.namespace.clone_from(&rig.namespace);
    other
}

/// Sends a message, and lists its id once more.
async fn doubled(rig: &Rig) -> Message {
    let message = message("default", 1);
    rig.enqueue(std::slice::from_ref(&message)).await;
    let _: i64 = rig.redis(&["RPUSH", ":default", message.message_id.as_str()]).await;
    message
}

#[tokio::test]
async fn buried_by_python_a_worker_wakes_as_a_stranger_goes_on_and_may_die_again() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let held = claims(&rig.fetch(&worker, 9).await);
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [1]);

    let want = Want { queue: worker.queues[0].clone(), count: 9 };
    assert_eq!(rig.store.fetch(&worker, &[want]).await.unwrap_err(), StoreError::Stranger);
    assert_eq!(rig.finish(&worker, &held[0], Place::Gone).await, Answer::Unknown);
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
            let rig = Rig::new().await;
            let mut python = Beside::new(&rig).await;
            let worker = rig.join(&["default"]).await;
            doubled(&rig).await;
            let found = rig.fetch(&worker, 1).await.remove(0);
            assert_eq!(python.fetches(&rig, "default", false).await, [1]);
            let retry = Place::Until(rig.later(1), with_option(delivered(&found), option::RETRIES, 1));
            let (retried, left) = if rust_first {
                let retried = rig.finish(&worker, &found.claim, retry).await;
                python.ends(&rig, command, 1).await;
                (retried, 1)
            } else {
                python.ends(&rig, command, 1).await;
                let retried = rig.finish(&worker, &found.claim, retry).await;
                // What Python gives back, its holder here still holds.
                (retried, usize::from(command == "requeue"))
            };
            let has_ended = !rust_first && command != "requeue";
            assert_eq!(retried, if has_ended { Answer::Unknown } else { Answer::Finished }, "{command}, {rust_first}");
            rig.beats(&worker, &[], 1).await;
            let later = rig.fetch(&worker, 9).await;
            assert_eq!(later.len(), left, "{command}, rust first: {rust_first}");
            for delivery in later {
                assert_eq!(delivered(&delivery).retries(), 1);
                assert_eq!(rig.finish(&worker, &delivery.claim, Place::Gone).await, Answer::Finished);
            }
            let dead = rig.store.dead_letters(&worker.queues[0], 9).await.unwrap().len();
            assert_eq!(dead, usize::from(!rust_first && command == "nack"));
        }
    }
}

#[tokio::test]
async fn what_python_gives_back_while_rust_runs_it_does_not_run_beside_itself() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    doubled(&rig).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    assert_eq!(python.fetches(&rig, "default", false).await, [1]);
    python.ends(&rig, "requeue", 1).await;
    assert_eq!(rig.list(":default").await.len(), 1);
    assert!(rig.fetch(&worker, 9).await.is_empty());
    assert_eq!(rig.finish(&worker, &found.claim, Place::Gone).await, Answer::Finished);
    assert!(python.takes(&rig, "default").await.is_empty());
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn a_call_that_is_sent_again_while_python_holds_it_is_not_stored_twice() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
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
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
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
    let dying = rig.join(&["a", "b"]).await;
    rig.enqueue(&[message("a", 1), message("b", 2), delayed("b", 3, rig.later(100))]).await;
    assert_eq!(rig.fetch(&dying, 9).await.len(), 2);
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "a").await, [1]);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", dying.worker.as_str()]).await;
    assert!(score.is_some(), "it still holds something of b");
    let worker = rig.join(&["b"]).await;
    assert_eq!(rig.beats(&worker, &[], 4).await, 1);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
    rig.clock.advance(Duration::from_secs(40));
    rig.beats(&worker, &[], 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [3]);
    let score: Option<f64> = rig.redis(&["ZSCORE", ":__heartbeats__", dying.worker.as_str()]).await;
    assert_eq!(score, None);
}

#[tokio::test]
async fn python_buries_a_worker_whose_ending_was_refused() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let _: () = rig.redis(&["SET", ":default.DQ.msgs", "foreign"]).await;
    let retry = || Place::Until(rig.later(1), with_option(delivered(&found), option::RETRIES, 1));
    assert!(matches!(rig.finish(&worker, &found.claim, retry()).await, Answer::Failed(StoreError::Foreign { .. })));
    rig.clock.advance(BEYOND_DEATH);
    assert_eq!(python.takes(&rig, "default").await, [1]);
    let _: i64 = rig.redis(&["DEL", ":default.DQ.msgs"]).await;
    assert_eq!(rig.finish(&worker, &found.claim, retry()).await, Answer::Unknown);
    python.ends(&rig, "ack", 1).await;
    rig.beats(&worker, &[], 2).await;
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn python_takes_over_from_the_claims_when_the_indexes_are_lost() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
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
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    rig.enqueue(&[delayed("default", 1, rig.later(75)), delayed("default", 2, rig.later(76))]).await;
    rig.clock.advance(BEYOND_DEATH);
    python.script.fetch(&rig, &mut python.worker, "default.DQ", 1, true).await;
    let taken = number(&python.worker.held[0]);
    // Both indexes still name both.
    rig.clock.advance(Duration::from_secs(10));
    rig.beats(&worker, &[], 2).await;
    let other = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&other), [3 - taken]);
    assert_eq!(rig.finish(&worker, &other[0].claim, Place::Gone).await, Answer::Finished);
    // Python dies with the one that it has; nobody else has it before it is dead.
    rig.beats(&worker, &[], BEATS_TO_BURY_PYTHON / 2).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    rig.beats(&worker, &[], BEATS_TO_BURY_PYTHON).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [taken]);
}

#[tokio::test]
async fn given_back_and_taken_by_python_before_the_answer_came_it_is_not_given_back_again() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    // The answer is lost.
    rig.finish(&worker, &found[0], Place::Head).await;
    assert_eq!(python.takes(&rig, "default").await, [1, 2]);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    assert_eq!(rig.finish(&worker, &found[0], Place::Head).await, Answer::Unknown);
    rig.beats(&worker, &[], 20).await;
    assert!(rig.fetch(&worker, 9).await.is_empty());
    python.ends(&rig, "ack", 1).await;
    python.ends(&rig, "requeue", 2).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn a_python_worker_that_is_seen_late_is_buried_and_its_late_end_changes_nothing() {
    for command in ["ack", "nack", "requeue"] {
        let rig = Rig::new().await;
        let mut python = Beside::new(&rig).await;
        let worker = rig.join(&["default"]).await;
        python.script.enqueue(&rig, "sender", "default", 1, None).await;
        assert_eq!(python.fetches(&rig, "default", false).await, [1]);
        let mut looks = 0;
        while rig.beats(&worker, &[], 1).await == 0 {
            looks += 1;
            assert!(looks < BEATS_TO_BURY_PYTHON, "it is never buried");
            // Held up ourselves: the next look tells nothing.
            rig.clock.advance(BEAT_INTERVAL);
            assert_eq!(rig.beats(&worker, &[], 1).await, 0);
        }
        assert!(looks > BEATS_TO_BURY_PYTHON / 2, "buried after {looks} looks");
        let found = rig.fetch(&worker, 9).await;
        assert_eq!(arguments(&found), [1]);
        python.ends(&rig, command, 1).await;
        assert!(python.fetches(&rig, "default", false).await.is_empty(), "{command}");
        let dead = Place::Dead(Body::Message(delivered(&found[0])), "why".to_owned());
        assert_eq!(rig.finish(&worker, &found[0].claim, dead).await, Answer::Finished, "{command}");
        let letters = rig.store.dead_letters(&worker.queues[0], 9).await.unwrap();
        assert_eq!((letters.len(), letters[0].reason.as_deref()), (1, Some("why")));
    }
}

#[tokio::test]
async fn what_python_delays_until_now_moves_in_the_beat_that_finds_it() {
    let rig = Rig::new().await;
    let python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
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
    let worker = rig.join(&["default"]).await;
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
    assert_eq!(rig.finish(&worker, &found[0], Place::Gone).await, Answer::Unknown);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    python.ends(&ahead, "ack", 1).await;
    // Neither does its heartbeat out of the future keep it alive for ever.
    rig.beats(&worker, &[], BEATS_TO_BURY_PYTHON).await;
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
    let worker = rig.join(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    assert_eq!(python.takes(&behind, "default").await, [1]);
    rig.enqueue(&[message("default", 2)]).await;
    let found = claims(&rig.fetch(&worker, 9).await);
    for _ in 0..6 {
        assert_eq!(rig.beats(&worker, &found, BEATS_TO_BURY_PYTHON / 3).await, 0);
        behind.clock.advance(Duration::from_secs(20));
        assert!(python.takes(&behind, "default").await.is_empty());
    }
    python.ends(&behind, "ack", 1).await;
    assert_eq!(rig.finish(&worker, &found[0], Place::Gone).await, Answer::Finished);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn a_queue_that_python_flushes_leaves_nothing_behind_and_goes_on() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    let held = with_option(message("default", 1), option::PRIORITY, 2);
    rig.enqueue(&[message("default", 2), message("default", 3), held, delayed("default", 4, rig.later(9))]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    for queue in ["default", "default.DQ"] {
        let nothing = Taken { queue: queue.to_owned(), id: String::new(), bytes: Vec::new() };
        python.script.end(&rig, "purge", &python.worker, &nothing).await;
    }
    assert_eq!(rig.finish(&worker, &found[0], Place::Gone).await, Answer::Unknown);
    assert!(rig.fetch(&worker, 9).await.is_empty());
    assert_eq!(rig.beats(&worker, &[], 10).await, 0);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
    rig.enqueue(&[message("default", 5)]).await;
    assert_eq!(python.takes(&rig, "default").await, [5]);
}

#[tokio::test]
async fn everything_is_deleted_while_both_hold_something_and_both_go_on() {
    let rig = Rig::new().await;
    let mut python = Beside::new(&rig).await;
    let worker = rig.join(&["default"]).await;
    let held = with_option(message("default", 3), option::PRIORITY, 2);
    rig.enqueue(&[message("default", 1), message("default", 2), held, delayed("default", 4, rig.later(9))]).await;
    let found = claims(&rig.fetch(&worker, 1).await);
    assert_eq!(python.takes(&rig, "default").await, [2]);
    for key in rig.redis::<Vec<String>>(&["KEYS", ":*"]).await {
        let _: i64 = rig.redis(&["DEL", &key]).await;
    }
    python.ends(&rig, "nack", 2).await;
    assert_eq!(rig.finish(&worker, &found[0], Place::Gone).await, Answer::Unknown);
    assert_eq!(rig.beat(&worker, &found).await.lost, found);
    assert_eq!(rig.beats(&worker, &[], 10).await, 0);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
    rig.enqueue(&[message("default", 5), message("default", 6)]).await;
    assert_eq!(arguments(&rig.fetch(&worker, 1).await), [5]);
    assert_eq!(python.takes(&rig, "default").await, [6]);
}
