//! Looks inside: what only Redis has, Python's messages and workers above all.

use std::cell::Cell;
use std::time::Duration;

use common::message::{MessageId, option};
use common::queue_name::QueueName;
use common::store::{AHEAD_LIMIT, Body, Claim, Disposition, Inspect as _, PAGE, State, Store as _};

use crate::rig::*;

fn names(sightings: &[common::store::MessageInfo]) -> Vec<&str> {
    let mut names: Vec<_> = sightings.iter().map(|info| info.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_queue_whose_name_is_taken_is_neither_listed_nor_touched() {
    let rig = Rig::new().await;
    // dramatiq permits these names.
    rig.python_sends("mail.msgs", "x", b"x").await;
    let _: i64 = rig.redis(&["HSET", ":__heartbeats__.msgs", "y", "y"]).await;
    let worker = rig.register(&["work"]).await;
    let before = rig.keys().await;
    let queues = rig.store.queues(None, 99).await.unwrap();
    // Its list is taken for the bodies of another queue, which is all that a name tells.
    assert_eq!(queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["mail", "work"]);
    assert_eq!(rig.store.queue(&queues[0].name).await, Ok(Some(queues[0].clone())));
    assert_eq!(rig.store.queue(&QueueName::canonical("__heartbeats__")).await, Ok(None));
    rig.beats(&worker, &[], 70).await;
    assert_eq!(rig.keys().await, before);
    assert_eq!(rig.list(":mail.msgs").await, ["x"]);
}

#[tokio::test]
async fn queues_that_only_python_or_a_sender_made_are_listed() {
    let rig = Rig::new().await;
    rig.python_sends("mail", "x", b"x").await;
    rig.python_sends("night.DQ", "y", b"y").await;
    rig.enqueue(&[delayed("later", 1, rig.later(60)), message("work", 2)]).await;
    let worker = rig.register(&["idle", "work"]).await;
    let _: i64 = rig.redis(&["HSET", ":bad.XQ.msgs", "z", "z"]).await;
    let _: i64 = rig.redis(&["ZADD", ":bad.XQ", "1", "z"]).await;
    // Another namespace that starts as ours does.
    let _: i64 = rig.redis(&["HSET", ":other:queue.msgs", "z", "z"]).await;
    rig.store.pause(&QueueName::canonical("paused"), true).await.unwrap();
    let queues = rig.store.queues(None, 99).await.unwrap();
    let seen: Vec<_> = queues
        .iter()
        .map(|queue| {
            let counts = queue.counts;
            (queue.name.as_str(), [counts.ready, counts.delayed, counts.claimed, counts.dead], queue.paused)
        })
        .collect();
    let expected = [
        ("bad", [0, 0, 0, 1], false),
        ("idle", [0; 4], false),
        ("later", [0, 1, 0, 0], false),
        ("mail", [1, 0, 0, 0], false),
        ("night", [0, 1, 0, 0], false),
        ("paused", [0; 4], true),
        ("work", [1, 0, 0, 0], false),
    ];
    assert_eq!(seen, expected);
    for queue in queues {
        assert_eq!(rig.store.queue(&queue.name).await, Ok(Some(queue)));
    }
    rig.store.deregister(&worker).await.unwrap();
    let left = rig.store.queues(Some(&QueueName::canonical("bad")), 1).await.unwrap();
    assert_eq!(left[0].name.as_str(), "later", "the fleet of a queue is no worker");
}

#[tokio::test]
async fn a_python_worker_is_shown_with_what_it_holds() {
    let rig = Rig::new().await;
    rig.python_sends("default", "x", b"x").await;
    rig.python_sends("mail.v2.DQ", "y", b"y").await;
    let worker = rig.register(&["default"]).await;
    rig.python_fetches("py.thon", "default").await;
    rig.python_fetches("py.thon", "mail.v2.DQ").await;
    rig.clock.advance(Duration::from_secs(30));
    let workers = rig.store.workers(None, 99).await.unwrap();
    assert_eq!(workers.len(), 2, "no fleets: {workers:?}");
    let python = workers.iter().find(|known| known.id == "py.thon").unwrap();
    assert_eq!((&python.queues, python.silent_for, python.is_silent), (&None, Duration::from_secs(30), false));
    let claim = |queue: &str, id: &str| Claim { queue: QueueName::canonical(queue), id: id.into() };
    assert_eq!(python.claims, [claim("default", "x"), claim("mail.v2", "y")]);
    let rust = workers.iter().find(|known| known.id == worker.worker.as_str()).unwrap();
    assert_eq!((rust.queues.as_deref(), rust.is_silent), (Some(worker.queues.as_slice()), true));
    rig.clock.advance(Duration::from_secs(30));
    let workers = rig.store.workers(None, 99).await.unwrap();
    assert!(workers.iter().all(|known| known.is_silent), "{workers:?}");
    // A message that Python keeps in its memory until its time is in that worker's hands, and still waits for its time.
    assert_eq!((rig.counts("default").await, rig.counts("mail.v2").await), ((0, 0, 1, 0), (0, 1, 0, 0)));
}

#[tokio::test]
async fn what_python_sends_is_found_by_its_name_and_by_its_body() {
    let rig = Rig::new().await;
    let body = |id: &str, eta: i64| body_in("default.DQ", id, &format!(r#","eta":{eta}"#));
    rig.python_sends("default", "1111-plain", body_in("default", "1111-plain", "").as_bytes()).await;
    rig.python_sends("default.DQ", "2222-taken", body("2222-taken", NOON + 7_000).as_bytes()).await;
    rig.python_fetches("python", "default.DQ").await;
    rig.python_sends("default.DQ", "3333-inbox", body("3333-inbox", NOON + 9_000).as_bytes()).await;

    assert_eq!(rig.find("1111-plain").await.state, State::Ready { ahead: Some(0) });
    // In Python's memory, and not to be run before its time.
    let taken = State::Delayed { due: common::clock::Timestamp::from_millis(NOON + 7_000) };
    assert_eq!(rig.find("2222").await.state, taken);
    let due = common::clock::Timestamp::from_millis(NOON + 9_000);
    assert_eq!(rig.find("3333").await.state, State::Delayed { due });

    // By the message id, which Python puts into the body alone.
    assert_eq!(rig.store.find("m-1111", 0).await.unwrap(), []);
    for (id, name) in [("m-1111-plain", "1111-plain"), ("m-2222", "2222-taken"), ("m-3333", "3333-inbox")] {
        assert_eq!(names(&rig.store.find(id, 10).await.unwrap()), [name]);
    }
    // What has it elsewhere in its body is another message.
    assert_eq!(rig.store.find("count_to", 10).await.unwrap(), []);
    // A Rust worker takes the inbox over.
    rig.register(&["default"]).await;
    assert_eq!(rig.find("3333").await.state, State::Delayed { due });
}

/// What `show` says of a message that dies or is requeued while it looks.
#[tokio::test]
async fn a_message_that_moves_amid_a_search_is_found_in_one_place() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let sent = message("default", 1);
    rig.enqueue(std::slice::from_ref(&sent)).await;
    let is_over = Cell::new(false);
    let moving = async {
        for round in 0..200 {
            let delivery = rig.fetch(&worker, 1).await.pop().unwrap();
            // Each move meets another step of the search.
            for _ in 0..round % 13 {
                let _: String = rig.redis(&["PING"]).await;
            }
            let dead = Disposition::DeadLetter(Body::Message(sent.clone()), "dies".to_owned());
            rig.finish(&worker, &delivery.claim, dead).await;
            let letters = rig.store.dead_letters(&QueueName::default(), 0, 1).await.unwrap();
            let readable = [(letters[0].id.clone(), sent.clone())];
            rig.store.requeue_dead(&QueueName::default(), &readable).await.unwrap();
        }
        is_over.set(true);
    };
    let looking = async {
        let mut times = 0;
        while !is_over.get() {
            let found = rig.store.find(sent.message_id.as_str(), 10).await.unwrap();
            assert!(found.len() <= 1, "{found:?}");
            times += found.len();
        }
        assert!(times > 0, "it is always somewhere");
    };
    tokio::join!(moving, looking);
}

#[tokio::test]
async fn no_more_bodies_are_looked_at_than_was_asked_for() {
    let rig = Rig::new().await;
    for n in 0..20 {
        let id = format!("name-{n}");
        rig.python_sends("default", &id, body_in("default", &id, "").as_bytes()).await;
    }
    for (depth, found) in [(0, 0), (7, 7), (20, 20), (99, 20)] {
        assert_eq!(rig.store.find("m-name", depth).await.unwrap().len(), found, "{depth}");
    }
}

#[tokio::test]
async fn the_characters_of_a_pattern_mean_themselves() {
    let rig = Rig::new().await;
    let ids = ["a*b", "a?b", "axb", "a[x]b", r"a\b", "a^b", "a-b"];
    for id in ids {
        rig.python_sends("default", id, body_in("default", "x", "").as_bytes()).await;
    }
    for id in ids {
        assert_eq!(names(&rig.store.find(&id[..2], 0).await.unwrap()), [id]);
        assert_eq!(names(&rig.store.find(id, 0).await.unwrap()), [id]);
    }
    assert_eq!(rig.store.find("a", 0).await.unwrap().len(), ids.len());
    assert_eq!(rig.store.find("[a]", 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_retry_lies_under_a_name_that_starts_with_its_id() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let sent = message("default", 1);
    rig.enqueue(std::slice::from_ref(&sent)).await;
    let mut claim = rig.fetch(&worker, 1).await.remove(0).claim;
    for _ in 0..3 {
        rig.finish(&worker, &claim, Disposition::Requeue(sent.clone())).await;
        let again = rig.fetch(&worker, 1).await.remove(0);
        let (id, random) = again.claim.id.split_once('#').unwrap();
        assert_eq!((id, random.len()), (sent.message_id.as_str(), MessageId::random().short().len()));
        assert_eq!(delivered(&again).options.read::<String>(option::REDIS_MESSAGE_ID).unwrap(), *again.claim.id);
        claim = again.claim;
        let state = State::Claimed { worker: worker.worker.as_str().to_owned(), cancelled: false };
        assert_eq!(rig.find(sent.message_id.short()).await.state, state);
    }
}

#[tokio::test]
async fn those_that_go_before_a_message_are_counted_by_priority() {
    let rig = Rig::new().await;
    rig.register(&["default"]).await;
    let with = |argument, priority| with_option(message("default", argument), option::PRIORITY, priority);
    let messages = [with(1, 0), with(2, 5), with(3, -5), with(4, 0), with(5, -5), with(6, 1)];
    rig.enqueue(&messages).await;
    for (at, ahead) in [(0, 2), (1, 5), (2, 0), (3, 3), (4, 1), (5, 4)] {
        let found = rig.find(messages[at].message_id.as_str()).await.state;
        assert_eq!(found, State::Ready { ahead: Some(ahead) }, "{at}");
    }
}

#[tokio::test]
async fn in_a_long_list_only_the_first_are_counted() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let messages: Vec<_> = (0..1_500).map(|n| message("default", n)).collect();
    rig.enqueue(&messages).await;
    rig.fetch(&worker, 1).await;
    let (held, last, far) = (&messages[0], &messages[AHEAD_LIMIT + 1], &messages[AHEAD_LIMIT + 2]);
    let claimed = State::Claimed { worker: worker.worker.as_str().to_owned(), cancelled: false };
    assert_eq!(rig.find(held.message_id.as_str()).await.state, claimed);
    assert_eq!(rig.find(last.message_id.as_str()).await.state, State::Ready { ahead: Some(AHEAD_LIMIT) });
    assert_eq!(rig.find(far.message_id.as_str()).await.state, State::Ready { ahead: None });
}

#[tokio::test]
async fn dead_letters_that_had_to_take_another_name_are_found() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let sent = message("default", 1);
    let id = sent.message_id.as_str();
    // Twice under the same id with different bytes, and once more by a cancellation.
    for reason in ["one", "two"] {
        rig.enqueue(std::slice::from_ref(&sent)).await;
        let found = rig.fetch(&worker, 1).await.remove(0);
        let mut last = delivered(&found);
        last.options.set("why", common::message::Raw::from(reason));
        rig.finish(&worker, &found.claim, Disposition::DeadLetter(Body::Message(last), reason.to_owned())).await;
    }
    rig.enqueue(std::slice::from_ref(&sent)).await;
    rig.cancel(id).await;
    let found = rig.store.find(id, 0).await.unwrap();
    let mut reasons: Vec<_> = found
        .iter()
        .map(|info| match &info.state {
            State::Dead { reason, .. } => reason.as_deref().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [WHY, "one", "two"]);
}

#[tokio::test]
async fn a_look_shows_one_page_of_what_starts_alike() {
    let rig = Rig::new().await;
    let bodies = (0..2 * PAGE).map(|n| (format!("same-{n}"), body_in("default", "x", ""))).collect::<Vec<_>>();
    for (id, body) in &bodies {
        rig.python_sends("default", id, body.as_bytes()).await;
    }
    let found = rig.store.find("same", 9).await.unwrap();
    assert_eq!(found.len(), PAGE);
    let mut names = names(&found);
    names.dedup();
    assert_eq!(names.len(), PAGE);
}
