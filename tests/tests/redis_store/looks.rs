//! One look at a message: what only Redis has, Python's messages and what takes more than one step.

use std::slice;
use std::time::Duration;

use common::clock::Timestamp;
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{AHEAD_LIMIT, Body, Disposition, Inspect as _, Look, Place, State};

use crate::rig::*;

/// What one step passes over: names, workers.
const CHUNK: usize = 1_000;

/// What the bodies may take that one step passes over.
const CHUNK_BYTES: usize = 4 << 20;

impl Rig {
    async fn place(&self, id: &str) -> Place {
        let (queue, told_under) = (QueueName::default(), format!("{}:@told.", self.namespace));
        let look = Look { queue, id: id.into(), keys: Vec::new(), told_under };
        self.store.look(&look).await.unwrap().place
    }

    async fn state(&self, id: &str) -> State {
        match self.place(id).await {
            Place::At { state, .. } => state,
            other => panic!("{id} is somewhere: {other:?}"),
        }
    }

    /// One that was retried, so that it lies under another name.
    async fn retried(&self, argument: i64) -> Message {
        let (worker, sent) = (self.register(&["default"]).await, message("default", argument));
        self.enqueue(slice::from_ref(&sent)).await;
        let claim = self.fetch(&worker, 1).await.remove(0).claim;
        self.finish(&worker, &claim, Disposition::Requeue(sent.clone())).await;
        sent
    }
}

#[tokio::test]
async fn what_python_has_sent_and_retried_is_seen_in_one_look() {
    let rig = Rig::new().await;
    let body = |id: &str, eta: i64| body_in("default.DQ", id, &format!(r#","eta":{eta}"#));
    rig.python_sends("default", "1111", body_in("default", "1111", "").as_bytes()).await;
    rig.python_sends("default", "2222", body_in("default", "2222", "").as_bytes()).await;
    rig.python_sends("default.DQ", "3333", body("3333", NOON + 7_000).as_bytes()).await;
    rig.python_sends("default.DQ", "4444", body("4444", NOON + 9_000).as_bytes()).await;
    rig.python_fetches("python", "default").await;
    rig.python_fetches("python", "default.DQ").await;
    assert_eq!(rig.state("m-1111").await, State::Claimed { worker: "python".to_owned(), cancelled: false });
    assert_eq!(rig.state("m-2222").await, State::Ready { ahead: Some(0) });
    // One in Python's memory, one in the inbox.
    assert_eq!(rig.state("m-3333").await, State::Delayed { due: Timestamp::from_millis(NOON + 7_000) });
    assert_eq!(rig.state("m-4444").await, State::Delayed { due: Timestamp::from_millis(NOON + 9_000) });
    // An id is looked for as a whole, and where a message has its id.
    for other in ["m-111", "count_to", "7"] {
        assert_eq!(rig.place(other).await, Place::Nowhere, "{other}");
    }
    // JSON may have written this one in another way.
    assert_eq!(rig.place("m-\u{e4}").await, Place::Open);
}

#[tokio::test]
async fn of_several_dead_letters_the_last_one_is_seen_and_a_live_message_before_them() {
    let rig = Rig::new().await;
    let (worker, sent) = (rig.register(&["default"]).await, message("default", 1));
    let id = sent.message_id.as_str();
    for reason in ["one", "two"] {
        rig.enqueue(slice::from_ref(&sent)).await;
        let found = rig.fetch(&worker, 1).await.remove(0);
        let mut last = delivered(&found);
        last.options.set("why", Raw::from(reason));
        rig.finish(&worker, &found.claim, Disposition::DeadLetter(Body::Message(last), reason.to_owned())).await;
        assert_eq!(rig.state(id).await, State::Dead { died: rig.clock.now(), reason: Some(reason.to_owned()) });
        rig.clock.advance(Duration::from_millis(5));
    }
    rig.enqueue(slice::from_ref(&sent)).await;
    let claim = rig.fetch(&worker, 1).await.remove(0).claim;
    rig.finish(&worker, &claim, Disposition::Retry(rig.later(9), sent.clone())).await;
    assert_eq!(rig.state(id).await, State::Delayed { due: rig.later(9) });
}

#[tokio::test]
async fn bytes_that_are_no_message_are_seen_by_their_name() {
    let rig = Rig::new().await;
    rig.python_sends("default", "broken", b"\x80 no message").await;
    assert_eq!(rig.state("broken").await, State::Ready { ahead: Some(0) });
    let worker = rig.register(&["default"]).await;
    let claim = rig.fetch(&worker, 1).await.remove(0).claim;
    let dead = Disposition::DeadLetter(Body::Raw(b"\x80 no message".to_vec()), "unreadable".to_owned());
    rig.finish(&worker, &claim, dead).await;
    assert_eq!(rig.state("broken").await, State::Dead { died: rig.clock.now(), reason: Some("unreadable".to_owned()) });
}

#[tokio::test]
async fn a_message_of_a_long_queue_is_seen_under_its_id_and_left_open_under_another_name() {
    let rig = Rig::new().await;
    let retried = rig.retried(0).await;
    let id = retried.message_id.as_str();
    let messages: Vec<_> = (1..=1_500).map(|n| message("default", n)).collect();
    rig.enqueue(&messages[..CHUNK - 1]).await;
    assert_eq!(rig.state(id).await, State::Ready { ahead: Some(0) });
    assert_eq!(rig.place("nothing").await, Place::Nowhere);
    rig.enqueue(&messages[CHUNK - 1..]).await;
    assert_eq!(rig.place(id).await, Place::Open);
    assert_eq!(rig.place("nothing").await, Place::Open);
    assert_eq!(rig.find(id).await.state, State::Ready { ahead: Some(0) }, "a search finds it");
    let state = async |at: usize| rig.state(messages[at].message_id.as_str()).await;
    assert_eq!(state(0).await, State::Ready { ahead: Some(1) });
    assert_eq!(state(AHEAD_LIMIT - 1).await, State::Ready { ahead: Some(AHEAD_LIMIT) });
    assert_eq!(state(AHEAD_LIMIT).await, State::Ready { ahead: None });
}

#[tokio::test]
async fn large_bodies_are_not_passed_over_in_one_step() {
    let rig = Rig::new().await;
    let retried = rig.retried(0).await;
    let filler = format!(r#","filler":"{}""#, "x".repeat(CHUNK_BYTES / 3));
    for (large, place) in [("a", Place::Nowhere), ("b", Place::Nowhere), ("c", Place::Open)] {
        rig.python_sends("default", large, body_in("default", large, &filler).as_bytes()).await;
        assert_eq!(rig.place("nothing").await, place, "{large}");
    }
    assert_eq!(rig.place(retried.message_id.as_str()).await, Place::Open);
    assert_eq!(rig.state("c").await, State::Ready { ahead: Some(3) }, "under its name");
}

#[tokio::test]
async fn who_holds_a_message_is_left_open_among_very_many_workers() {
    let rig = Rig::new().await;
    let (worker, sent) = (rig.register(&["default"]).await, message("default", 1));
    rig.enqueue(slice::from_ref(&sent)).await;
    rig.fetch(&worker, 1).await;
    let held = State::Claimed { worker: worker.worker.as_str().to_owned(), cancelled: false };
    assert_eq!(rig.state(sent.message_id.as_str()).await, held);
    let mut beats = redis::cmd("ZADD");
    beats.arg(format!("{}:__heartbeats__", rig.namespace));
    for at in 0..CHUNK {
        beats.arg(rig.now()).arg(format!("python-{at}"));
    }
    let _: i64 = rig.call(&beats).await;
    assert_eq!(rig.place(sent.message_id.as_str()).await, Place::Open);
    assert_eq!(rig.find(sent.message_id.as_str()).await.state, held, "a search finds it");
    let ready = message("default", 2);
    rig.enqueue(slice::from_ref(&ready)).await;
    assert_eq!(rig.state(ready.message_id.as_str()).await, State::Ready { ahead: Some(0) });
}
