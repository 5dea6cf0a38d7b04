//! Moving by hand: pauses, purges, dead letters; and what a user may not do.

use std::time::Duration;

use common::error::StoreError;
use common::message::option;
use common::queue_name::QueueName;
use common::store::{Body, Disposition, Inspect as _, PURGE_LIMIT, Store as _};
use tokio::time::timeout;

use crate::rig::*;
use crate::rights::without;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_resume_from_elsewhere_wakes_who_waits() {
    let rig = Rig::new().await;
    let (queue, other) = (QueueName::default(), QueueName::canonical("other"));
    let worker = rig.register(&["default", "other"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    rig.store.pause(&queue, true).await.unwrap();
    let mut wait = rig.store.wait(&worker.queues, None);
    assert!(timeout(Duration::from_millis(200), &mut wait).await.is_err());
    // Another queue's pause is none of its business, and ends no wait.
    rig.store.pause(&other, true).await.unwrap();
    assert!(timeout(Duration::from_millis(200), &mut wait).await.is_err());
    let _: i64 = rig.redis(&["SREM", ":@paused", "default"]).await;
    timeout(SOON, wait).await.unwrap();
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [1]);
}

#[tokio::test]
async fn a_paused_queue_holds_up_no_other_and_python_knows_of_none() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default", "other"]).await;
    rig.store.pause(&QueueName::default(), true).await.unwrap();
    rig.enqueue(&[message("default", 1), message("other", 2), delayed("default", 3, rig.later(1))]).await;
    timeout(SOON, rig.store.wait(&worker.queues, None)).await.unwrap();
    let found = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&found), [2]);
    // What comes due is moved all the same, and waits there.
    assert_eq!(rig.beats(&worker, &claims(&found), 1).await, 1);
    assert_eq!(rig.counts("default").await, (2, 0, 0, 0));
    assert!(!rig.beat(&worker, &claims(&found)).await.ready);
    rig.python_fetches("python", "default").await;
    assert_eq!(rig.counts("default").await, (1, 0, 1, 0));
}

#[tokio::test]
async fn a_purge_takes_a_thousand_at_once_and_leaves_what_is_held() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 0)]).await;
    let held = rig.fetch(&worker, 1).await.remove(0);
    rig.python_sends("default.DQ", "taken", body_in("default.DQ", "taken", r#","eta":9"#).as_bytes()).await;
    rig.python_fetches("python", "default.DQ").await;
    let plain: Vec<_> = (0..1_200).map(|n| message("default", n)).collect();
    let others = (0..100).map(|n| with_option(message("default", n), option::PRIORITY, n % 9 - 4));
    let late = (0..100).map(|n| delayed("default", n, rig.later(60)));
    rig.enqueue(&plain).await;
    rig.enqueue(&others.chain(late).collect::<Vec<_>>()).await;
    rig.python_sends("default.DQ", "inbox", b"x").await;
    let _: i64 = rig.redis(&["RPUSH", ":default", "ghost"]).await;

    let queue = &worker.queues[0];
    let mut purged = Vec::new();
    while purged.last() != Some(&0) {
        purged.push(rig.store.purge(queue).await.unwrap());
    }
    assert!(purged.iter().all(|some| *some <= PURGE_LIMIT), "{purged:?}");
    assert_eq!(purged.iter().sum::<usize>(), 1_401);
    assert_eq!(rig.counts("default").await, (0, 1, 1, 0));
    let acks = [format!(":__acks__.{}.default", worker.worker.as_str()), ":__acks__.python.default.DQ".to_owned()];
    let mut expected = vec![acks[0].as_str(), acks[1].as_str(), ":default.DQ.msgs", ":default.msgs"];
    expected.sort_unstable();
    assert_eq!(rig.keys().await, expected);
    assert_eq!(rig.finish(&worker, &held.claim, Disposition::Ack).await, common::store::Finished::Done);
}

#[tokio::test]
async fn a_purge_goes_by_what_the_fleet_holds_and_not_by_the_index() {
    let rig = Rig::new().await;
    rig.register(&["default"]).await;
    let with = |n, priority| with_option(message("default", n), option::PRIORITY, priority);
    rig.enqueue(&[with(1, 3), with(2, -3), delayed("default", 3, rig.later(60))]).await;
    // Both indexes are lost, and name what Python holds instead.
    let _: i64 = rig.redis(&["DEL", ":default@due", ":default@held"]).await;
    rig.python_sends("default", "python's", b"x").await;
    rig.python_fetches("python", "default").await;
    let _: i64 = rig.redis(&["ZADD", ":default@held", "1", "python's"]).await;
    let _: i64 = rig.redis(&["ZADD", ":default@due", "1", "nobody's"]).await;
    let (queue, mut purged) = (QueueName::default(), 0);
    loop {
        match rig.store.purge(&queue).await.unwrap() {
            0 => break,
            some => purged += some,
        }
    }
    assert_eq!(purged, 3);
    assert_eq!(rig.keys().await, [":__acks__.python.default", ":default.msgs"]);
}

/// A dead letter, by name.
async fn dead_letter(rig: &Rig, argument: i64) -> String {
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", argument)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    rig.finish(&worker, &found.claim, Disposition::DeadLetter(Body::Message(delivered(&found)), "why".to_owned()))
        .await;
    rig.store.deregister(&worker).await.unwrap();
    found.claim.id.to_string()
}

#[tokio::test]
async fn requeued_letters_take_their_order_and_leave_nothing_behind() {
    let rig = Rig::new().await;
    let names = [dead_letter(&rig, 1).await, dead_letter(&rig, 2).await, dead_letter(&rig, 3).await];
    let queue = QueueName::default();
    let mut late = delayed("default", 3, rig.later(60));
    late.message_id = names[2].as_str().into();
    let urgent = with_option(message("default", 2), option::PRIORITY, -3);
    let letters = [
        (names[0].clone(), message("other", 1)),
        (names[1].clone(), urgent),
        ("nothing".to_owned(), message("default", 9)),
        (names[2].clone(), late),
        (names[2].clone(), message("default", 9)),
    ];
    let requeued = rig.store.requeue_dead(&queue, &letters).await;
    assert_eq!(requeued, Ok(vec![true, true, false, true, false]));
    assert_eq!((rig.counts("default").await, rig.counts("other").await), ((2, 0, 0, 0), (1, 0, 0, 0)));
    let worker = rig.register(&["default", "other"]).await;
    let found = rig.fetch(&worker, 9).await;
    assert_eq!(arguments(&found), [2, 3, 1]);
    assert!(found[1].claim.id.starts_with(&names[2]) && *found[1].claim.id != *names[2]);
    let completions: Vec<_> = found.iter().map(|delivery| completion(&delivery.claim, Disposition::Ack)).collect();
    rig.store.finish(&worker, &completions).await.unwrap();
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn more_letters_than_fit_one_call_are_requeued_and_deleted() {
    let rig = Rig::new().await;
    let mut pipe = redis::pipe();
    let names: Vec<String> = (0..2_100).map(|n| format!("letter-{n}")).collect();
    for name in &names {
        pipe.cmd("HSET").arg(format!("{}:default.XQ.msgs", rig.namespace)).arg(name).arg("x");
        pipe.cmd("ZADD").arg(format!("{}:default.XQ", rig.namespace)).arg(rig.now()).arg(name);
    }
    rig.pipe(&pipe).await;
    let letters: Vec<_> = names[..1_500].iter().map(|name| (name.clone(), message("default", 1))).collect();
    let queue = QueueName::default();
    assert_eq!(rig.store.requeue_dead(&queue, &letters).await, Ok(vec![true; 1_500]));
    let mut expected = vec![true; 2_100];
    expected[..1_500].fill(false);
    assert_eq!(rig.store.delete(&queue, &names).await, Ok(expected));
    assert_eq!(rig.counts("default").await, (1_500, 0, 0, 0));
    assert_eq!(rig.keys().await, [":default", ":default.msgs"]);
}

type Move<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

#[tokio::test]
async fn a_forbidden_command_is_named_and_nothing_is_moved() {
    let commands = ["hset", "hdel", "zadd", "zrem", "srem", "lrem", "rpush", "sadd", "ltrim"];
    let mut named = std::collections::BTreeSet::new();
    for command in commands {
        let rig = Rig::new().await;
        let letter = dead_letter(&rig, 1).await;
        let worker = rig.register(&["default"]).await;
        let waiting = [
            message("default", 2),
            with_option(message("default", 3), option::PRIORITY, 3),
            delayed("default", 4, rig.later(60)),
            message("default", 5),
        ];
        rig.enqueue(&waiting).await;
        let ids: Vec<_> = waiting.iter().map(|message| message.message_id.as_str()).collect();
        let held = rig.fetch(&worker, 1).await.remove(0);
        let (store, user) = without(&rig, command).await;
        let queue = QueueName::default();
        let letters = [(letter.clone(), message("default", 1))];
        let name = std::slice::from_ref(&letter);
        let [one, two, three, four] = ids.as_slice() else { panic!("{ids:?}") };
        let moves: [(&str, Move<'_>); 8] = [
            ("cancel", Box::pin(async { store.cancel(&queue, one, WHY).await.map(drop) })),
            ("cancel", Box::pin(async { store.cancel(&queue, two, WHY).await.map(drop) })),
            ("cancel", Box::pin(async { store.cancel(&queue, three, WHY).await.map(drop) })),
            ("cancel", Box::pin(async { store.cancel(&queue, four, WHY).await.map(drop) })),
            ("purge", Box::pin(async { store.purge(&queue).await.map(drop) })),
            ("requeue_dead", Box::pin(async { store.requeue_dead(&queue, &letters).await.map(drop) })),
            ("delete", Box::pin(async { store.delete(&queue, name).await.map(drop) })),
            ("pause", Box::pin(async { store.pause(&queue, true).await.map(drop) })),
        ];
        for (what, step) in moves {
            let before = (rig.keys().await, rig.counts("default").await);
            let Err(error) = step.await else { continue };
            let StoreError::Denied { key, command: refused, .. } = error else { panic!("{what}: {error:?}") };
            assert_eq!(refused, command.to_uppercase(), "{what}");
            assert!(key.starts_with(&rig.namespace), "{what}: {key}");
            assert_eq!((rig.keys().await, rig.counts("default").await), before, "{what} without {command}");
            named.insert((what, command));
        }
        // Each message is in one place, whatever was refused.
        let (ready, delayed, claimed, dead) = rig.counts("default").await;
        let bodies: usize = {
            let mut bodies = 0;
            for hash in ["", ".DQ", ".XQ"] {
                bodies += rig.redis::<usize>(&["HLEN", &format!(":default{hash}.msgs")]).await;
            }
            bodies
        };
        assert_eq!(ready + delayed + claimed + dead, bodies, "{command}: {:?}", rig.keys().await);
        rig.finish(&worker, &held.claim, Disposition::Ack).await;
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
    for what in ["purge", "cancel", "requeue_dead", "delete", "pause"] {
        assert!(named.iter().any(|(refused, _)| *refused == what), "{what} was never refused: {named:?}");
    }
}

#[tokio::test]
async fn a_refused_revival_leaves_all_letters_where_they_were() {
    let rig = Rig::new().await;
    let names = [dead_letter(&rig, 1).await, dead_letter(&rig, 2).await];
    let _: () = rig.redis(&["SET", ":other", "foreign"]).await;
    let before = rig.keys().await;
    let letters = [(names[0].clone(), message("default", 1)), (names[1].clone(), message("other", 2))];
    let refused = rig.store.requeue_dead(&QueueName::default(), &letters).await.unwrap_err();
    assert!(matches!(&refused, StoreError::WrongKeyType { key, .. } if key.ends_with(":other")), "{refused:?}");
    assert_eq!((rig.keys().await, rig.counts("default").await), (before, (0, 0, 0, 2)));
}
