//! Cancelling: wherever a message is, it ends once, and nothing of it is left behind.

use common::message::option;
use common::store::{
    Cancelled, Completion, Disposition, Effect, Finished, Inspect as _, MAX_CRASHES, State, Store as _,
};

use crate::python::{Python, Script, Taken};
use crate::rig::*;

/// Dead letters whose end is still to be made.
const LETTERS: [&str; 4] = [":default.XQ", ":default.XQ.msgs", ":default.XQ@why", ":default@unended"];

#[tokio::test]
async fn what_waits_and_is_cancelled_leaves_only_a_dead_letter() {
    let with = |priority| with_option(message("default", 1), option::PRIORITY, priority);
    for (is_alive, priority, delay, was) in [
        (true, 0, 0, Cancelled::Ready),
        (true, -5, 0, Cancelled::Ready),
        (true, 5, 0, Cancelled::Ready),
        (true, 0, 60, Cancelled::Delayed),
        (true, 5, 60, Cancelled::Delayed),
        (false, -5, 0, Cancelled::Ready),
        (false, 5, 60, Cancelled::Delayed),
    ] {
        let rig = Rig::new().await;
        if is_alive {
            rig.register(&["default"]).await;
        }
        let mut sent = with(priority);
        if delay > 0 {
            sent.set_eta(Some(rig.later(delay)));
        }
        rig.enqueue(std::slice::from_ref(&sent)).await;
        let id = sent.message_id.as_str();
        assert_eq!(rig.cancel(id).await, Some(was));
        assert_eq!(rig.keys().await, LETTERS, "{is_alive} {priority} {delay}");
        assert_eq!(rig.letters().await, [(id.to_owned(), WHY.to_owned())]);
        assert_eq!(rig.cancel(id).await, None);
        let queue = sent.queue_name;
        assert_eq!(rig.store.delete(&queue, &[id.to_owned(), id.to_owned()]).await, Ok(vec![true, false]));
        assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
    }
}

#[tokio::test]
async fn a_cancellation_is_forgotten_with_the_end_of_its_message() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let sent = message("default", 1);
    let again = with_option(sent.clone(), option::RETRIES, 1);
    let places = [
        (Disposition::Ack, false),
        (Disposition::Release, true),
        (Disposition::Requeue(again.clone()), true),
        (Disposition::Retry(rig.later(9), again.clone()), true),
    ];
    for (place, dies) in places {
        rig.enqueue(std::slice::from_ref(&sent)).await;
        let found = rig.fetch(&worker, 1).await.remove(0);
        let told = Cancelled::Claimed { worker: worker.worker.as_str().to_owned() };
        assert_eq!(rig.cancel(&found.claim.id).await, Some(told));
        let kept: i64 = rig.redis(&["TTL", ":default@cancelled"]).await;
        assert!(kept > 0, "Python's end of a message takes no mark away: {kept}");
        // What else was to happen with the end happens.
        let next = message("default", 2);
        let completion =
            Completion { effects: vec![Effect::Enqueue(next.clone())], ..completion(&found.claim, place.clone()) };
        assert_eq!(rig.store.finish(&worker, std::slice::from_ref(&completion)).await.unwrap(), [Finished::Done]);
        assert_eq!(rig.store.finish(&worker, &[completion]).await.unwrap(), [Finished::ClaimLost]);
        let second = rig.fetch(&worker, 9).await;
        assert_eq!(arguments(&second), [2], "{place:?}");
        assert_eq!(*second[0].claim.id, *next.message_id.as_str());
        assert_eq!(rig.finish(&worker, &second[0].claim, Disposition::Ack).await, Finished::Done);

        let letters = rig.store.dead_letters(&worker.queues[0], 0, 9).await.unwrap();
        assert_eq!(letters.len(), usize::from(dies), "{place:?}");
        for letter in letters {
            assert_eq!((letter.id.as_str(), letter.reason.as_deref()), (sent.message_id.as_str(), Some(WHY)));
            // As it would have gone on, without the time at which it would have.
            let body = common::message::Message::decode(&letter.bytes, rig.clock.now()).unwrap();
            assert_eq!(body.retries(), u32::from(place != Disposition::Release));
            assert!(body.options.get(option::ETA).is_none());
            assert_eq!(rig.store.delete(&worker.queues[0], &[letter.id]).await, Ok(vec![true]));
        }
        assert!(rig.keys().await.is_empty(), "{place:?}: {:?}", rig.keys().await);
    }
}

#[tokio::test]
async fn of_many_completions_only_the_cancelled_ones_die() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let messages: Vec<_> = (0..6).map(|n| message("default", n)).collect();
    rig.enqueue(&messages).await;
    let found = rig.fetch(&worker, 9).await;
    for at in [1, 3, 5] {
        rig.cancel(&found[at].claim.id).await;
    }
    let heard = rig.beat(&worker, &claims(&found)).await.cancelled;
    assert_eq!(heard.len(), 3);
    let completions: Vec<_> = found
        .iter()
        .enumerate()
        .map(|(at, delivery)| {
            let again = delivered(delivery);
            let place = if at < 2 {
                Disposition::Release
            } else if at < 4 {
                Disposition::Requeue(again)
            } else {
                Disposition::Retry(rig.later(1), again)
            };
            completion(&delivery.claim, place)
        })
        .collect();
    assert_eq!(rig.store.finish(&worker, &completions).await.unwrap(), vec![Finished::Done; 6]);
    assert_eq!(rig.counts("default").await, (2, 1, 0, 3));
    rig.beats(&worker, &[], 1).await;
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [0, 2, 4]);
    assert_eq!(rig.letters().await.len(), 3);
}

#[tokio::test]
async fn what_a_dead_worker_held_dies_of_its_cancellation_and_not_of_the_death() {
    let rig = Rig::new().await;
    let (dying, survivor) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    let found = rig.fetch(&dying, 9).await;
    rig.cancel(&found[0].claim.id).await;
    assert_eq!(rig.beats(&survivor, &[], 4).await, 1, "only what can run again is back");
    let second = rig.fetch(&survivor, 9).await;
    assert_eq!(arguments(&second), [2]);
    assert_eq!(rig.letters().await, [(found[0].claim.id.to_string(), WHY.to_owned())]);
    rig.finish(&survivor, &second[0].claim, Disposition::Ack).await;
    assert_eq!(rig.keys().await, LETTERS);
}

#[tokio::test]
async fn what_a_python_worker_holds_is_not_run_again_by_rust() {
    let rig = Rig::new().await;
    let script = Script::load(&rig).await;
    let worker = rig.register(&["default"]).await;
    let mut python = Python::new();
    for number in 1..=3 {
        script.enqueue(&rig, "sender", "default", number, None).await;
    }
    script.enqueue(&rig, "sender", "default.DQ", 4, Some(NOON + 1_000)).await;
    script.fetch(&rig, &mut python, "default", 9, false).await;
    script.fetch(&rig, &mut python, "default.DQ", 9, false).await;
    let held = python.held.clone();
    assert_eq!(held.iter().map(Taken::number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let told = Cancelled::Claimed { worker: python.id.clone() };
    for taken in &held {
        assert_eq!(rig.cancel(&taken.id).await, Some(told.clone()));
        let state = match &*taken.queue {
            "default.DQ" => State::Delayed { due: rig.later(1) },
            _ => State::Claimed { worker: python.id.clone(), cancelled: true },
        };
        assert_eq!(rig.find(&taken.id).await.state, state);
    }
    // One ends, one is requeued, and with the other two the worker dies.
    script.end(&rig, "ack", &python, &held[0]).await;
    script.end(&rig, "requeue", &python, &held[1]).await;
    assert_eq!(rig.find(&held[1].id).await.state, State::Ready { ahead: Some(0) });
    assert_eq!(rig.fetch(&worker, 9).await, [], "it dies where it is to run again");
    rig.beats(&worker, &[], 60).await;
    assert_eq!(rig.fetch(&worker, 9).await, []);
    let mut expected: Vec<_> = held[1..].iter().map(|taken| (taken.id.clone(), WHY.to_owned())).collect();
    expected.sort_unstable();
    assert_eq!(rig.letters().await, expected);
    // Nobody tells of the end of the first one; its mark goes after a while.
    let mut keys: Vec<_> = LETTERS.iter().chain(&[":default@cancelled"]).map(ToString::to_string).collect();
    keys.sort_unstable();
    assert_eq!(rig.keys().await, keys);
    let marks: Vec<String> = rig.redis(&["HKEYS", ":default@cancelled"]).await;
    assert_eq!(marks, [held[0].id.clone()]);
}

#[tokio::test]
async fn cancelling_beside_pythons_fetches_ends_each_message_once() {
    const MESSAGES: i64 = 150;
    let rig = Rig::new().await;
    let script = Script::load(&rig).await;
    let messages: Vec<_> = (0..MESSAGES).map(|n| message("default", n)).collect();
    rig.enqueue(&messages).await;
    let mut python = Python::new();
    let fetching = async {
        // From the head, while the cancellations come from the tail.
        for _ in 0..MESSAGES / 2 {
            script.fetch(&rig, &mut python, "default", 1, false).await;
        }
    };
    let cancelling = async {
        let mut told = Vec::new();
        for message in messages.iter().rev() {
            told.push(rig.cancel(message.message_id.as_str()).await.expect("it has not ended"));
        }
        told
    };
    let ((), told) = tokio::join!(fetching, cancelling);
    let claimed = told.iter().filter(|was| matches!(was, Cancelled::Claimed { .. })).count();
    let ready = told.iter().filter(|was| **was == Cancelled::Ready).count();
    let held = python.held.len();
    assert_eq!((claimed, ready), (held, messages.len() - held));
    assert_eq!(rig.counts("default").await, (0, 0, held, ready));
    for taken in &python.held {
        assert!(script.owns(&rig, &python, taken).await, "{} was taken from Python", taken.id);
    }
}

#[tokio::test]
async fn a_cancelled_message_counts_no_deaths() {
    let rig = Rig::new().await;
    let sent = message("default", 1);
    rig.enqueue(std::slice::from_ref(&sent)).await;
    for _ in 1..MAX_CRASHES {
        let (dying, survivor) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
        let held = rig.fetch(&dying, 1).await.remove(0);
        rig.start(&dying, &held.claim).await;
        rig.beats(&survivor, &[], 4).await;
        rig.store.deregister(&survivor).await.unwrap();
    }
    assert_eq!(rig.find(sent.message_id.as_str()).await.crashes, MAX_CRASHES - 1);
    assert_eq!(rig.cancel(sent.message_id.as_str()).await, Some(Cancelled::Ready));
    assert_eq!(rig.keys().await, LETTERS, "nothing is remembered of its deaths");
}

#[tokio::test]
async fn what_is_too_large_to_be_fetched_is_ended_without_its_bytes() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let body = body_in("default", "huge", &format!(r#","blob":"{}""#, "h".repeat(33 << 20)));
    rig.python_sends("default", "huge", body.as_bytes()).await;
    rig.enqueue(&[message("default", 1)]).await;
    // What dies so is alone in its step.
    assert_eq!(rig.fetch(&worker, 9).await, []);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1]);
    let queues = rig.beat(&worker, &[]).await.unended;
    assert_eq!(queues, worker.queues);
    let unended = rig.store.unended(&queues, 9).await.unwrap();
    let [common::store::Unended { claim, bytes: None, reason, .. }] = &unended[..] else { panic!("{unended:?}") };
    assert!(reason.ends_with("a worker takes 33554432 at most"), "{reason}");
    let end = [completion(claim, Disposition::StaysDead)];
    assert_eq!(rig.store.finish(&worker, &end).await.unwrap(), [Finished::Done]);
    assert_eq!(rig.store.finish(&worker, &end).await.unwrap(), [Finished::ClaimLost]);
    assert_eq!(rig.counts("default").await.3, 1, "it stays a dead letter");
    assert_eq!(rig.beat(&worker, &[]).await.unended, []);
}
