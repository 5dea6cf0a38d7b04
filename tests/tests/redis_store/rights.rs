//! A user who may not do everything: what was begun is taken back, and the error says what to grant.

use std::time::Duration;

use common::error::{ConnectError, EnqueueError, StoreError};
use common::message::option;
use common::queue_name::QueueName;
use common::store::{
    BEAT_INTERVAL, Body, Completion, DEAD_AFTER, Disposition, Effect, FetchRequest, Finished, Store as _,
};
use common::stores::redis::RedisStore;

use tokio::time::timeout;

use crate::rig::*;

/// A store whose user may do everything but one command; the user's name, to remove it.
pub(crate) async fn without(rig: &Rig, command: &str) -> (RedisStore, String) {
    let user = format!("{}-{}", rig.namespace, command.replace('|', "-"));
    let _: () =
        rig.redis(&["ACL", "SETUSER", &user, "on", ">secret", "~*", "&*", "+@all", &format!("-{command}")]).await;
    let url = tests::redis::url().replace("redis://", &format!("redis://{user}:secret@"));
    (RedisStore::connect(&url, &rig.namespace, rig.clock.clone()).await.unwrap(), user)
}

#[tokio::test]
async fn a_forbidden_command_is_named_and_nothing_is_stored() {
    let rig = Rig::new().await;
    for command in ["hset", "rpush", "hmget"] {
        let (store, user) = without(&rig, command).await;
        let error = store.enqueue(&[message("default", 1)]).await.unwrap_err();
        let EnqueueError::NotStored { stored: 0, cause } = error else { panic!("{error:?}") };
        let StoreError::Denied { key, command: named, .. } = cause else { panic!("{cause:?}") };
        assert_eq!(named, command.to_uppercase());
        assert!(key.contains(":default"), "{key}");
        assert!(rig.keys().await.is_empty());
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
}

#[tokio::test]
async fn claims_that_may_not_be_read_are_not_lost() {
    let rig = Rig::new().await;
    for command in ["scard", "smembers"] {
        let (store, user) = without(&rig, command).await;
        let worker = store.register(&[QueueName::default()]).await.unwrap();
        rig.enqueue(&[message("default", 1)]).await;
        let found = rig.fetch(&worker, 1).await;
        let beat = store.beat(&worker, &claims(&found), &[]).await.unwrap();
        assert_eq!(beat.lost, [], "{command}");
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
        assert_eq!(rig.finish(&worker, &found[0].claim, Disposition::Ack).await, Finished::Done);
    }
}

#[tokio::test]
async fn a_forbidden_completion_leaves_the_message_with_its_worker() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let before = rig.keys().await;
    for command in ["hset", "zadd", "srem", "hdel", "lpush", "rpush", "hmget"] {
        let (store, user) = without(&rig, command).await;
        let places = [
            Disposition::Ack,
            Disposition::Release,
            Disposition::Requeue(delivered(&found)),
            Disposition::Retry(rig.later(9), delivered(&found)),
            Disposition::DeadLetter(Body::Message(delivered(&found)), "why".to_owned()),
        ];
        let mut refused = 0;
        for place in places {
            let completion =
                Completion { effects: vec![Effect::Enqueue(message("other", 1))], ..completion(&found.claim, place) };
            let answer = store.finish(&worker, std::slice::from_ref(&completion)).await.unwrap().remove(0);
            match answer {
                // What needs no more than the user may do happens; here it is put back.
                Finished::Done => {
                    rig.restore(&found, &worker).await;
                }
                Finished::Refused(StoreError::Denied { command: named, .. }) => {
                    refused += 1;
                    assert_eq!(named, command.to_uppercase());
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(rig.keys().await, before, "{command}: {:?}", completion.disposition);
            assert!(rig.list(":default").await.is_empty());
        }
        assert!(refused > 0, "{command}");
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
    assert_eq!(rig.finish(&worker, &found.claim, Disposition::Ack).await, Finished::Done);
}

#[tokio::test]
async fn a_result_that_is_refused_leaves_the_one_before_it() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let key = format!("{}-result", rig.namespace);
    let keep = |value: &str| {
        vec![Effect::Store { key: key.clone(), value: value.as_bytes().to_vec(), ttl: Duration::from_secs(60) }]
    };
    rig.enqueue(&[message("default", 1), message("default", 2)]).await;
    let found = rig.fetch(&worker, 2).await;
    let first = Completion { effects: keep("first"), ..completion(&found[0].claim, Disposition::Ack) };
    assert_eq!(rig.store.finish(&worker, &[first]).await.unwrap(), [Finished::Done]);
    let second = Completion { effects: keep("second"), ..completion(&found[1].claim, Disposition::Ack) };
    for command in ["pexpire", "lpush", "del"] {
        let (store, user) = without(&rig, command).await;
        let answers = store.finish(&worker, std::slice::from_ref(&second)).await.unwrap();
        assert!(matches!(&answers[..], [Finished::Refused(StoreError::Denied { .. })]), "{command}: {answers:?}");
        assert_eq!(rig.list(&key).await, ["first"], "{command}");
        let left: i64 = rig.redis(&["PTTL", &key]).await;
        assert!(left > 0, "{command}: {left}");
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
    assert_eq!(rig.store.finish(&worker, &[second]).await.unwrap(), [Finished::Done]);
    assert_eq!(rig.list(&key).await, ["second"]);
    let _: i64 = rig.redis(&["DEL", &key]).await;
}

#[tokio::test]
async fn a_forbidden_fetch_leaves_everything_where_it_was() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let with = |argument, priority| with_option(message("default", argument), option::PRIORITY, priority);
    for command in ["sadd", "srem", "zrem", "zadd", "lpop", "lpush", "hmget", "smismember", "hstrlen", "hset"] {
        rig.enqueue(&[message("default", 2), with(1, -1), with(3, 1)]).await;
        let (store, user) = without(&rig, command).await;
        let requests = [FetchRequest { queue: QueueName::default(), count: 9, before: None }];
        let mut found = match store.fetch(&worker, &requests, usize::MAX).await {
            Ok(fetched) => fetched.deliveries,
            Err(StoreError::Denied { command: named, .. }) => {
                assert_eq!(named, command.to_uppercase());
                Vec::new()
            }
            Err(error) => panic!("{command}: {error:?}"),
        };
        found.extend(rig.fetch(&worker, 9).await);
        assert_eq!(arguments(&found), [1, 2, 3], "{command}");
        for delivery in &found {
            rig.finish(&worker, &delivery.claim, Disposition::Ack).await;
        }
        assert!(rig.keys().await.is_empty(), "{command}");
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
}

#[tokio::test]
async fn a_recovery_that_is_refused_again_and_again_counts_no_crash_and_loses_nothing() {
    for command in ["lpush", "srem", "hdel", "expire", "hset", "hexists"] {
        let rig = Rig::new().await;
        let dead = rig.register(&["default"]).await;
        rig.enqueue(&[message("default", 1)]).await;
        let held = rig.fetch(&dead, 1).await.remove(0);
        rig.start(&dead, &held.claim).await;
        let (store, user) = without(&rig, "debug").await;
        let survivor = store.register(&[QueueName::default()]).await.unwrap();
        let _: () = rig.redis(&["ACL", "SETUSER", &user, &format!("-{command}")]).await;
        for _ in 0..DEAD_AFTER + 8 {
            rig.clock.advance(BEAT_INTERVAL);
            // Where a beat needs the command as well, it is refused as a whole.
            let _ = store.beat(&survivor, &[], &[]).await;
        }
        assert!(rig.list(":default").await.is_empty(), "{command}");
        let survivor = rig.register(&["default"]).await;
        rig.beats(&survivor, &[], 5).await;
        assert_eq!(rig.list(":default").await, [&*held.claim.id], "{command}");
        let note: String = rig.redis(&["HGET", ":default@crashes", &held.claim.id]).await;
        assert_eq!(note, "1", "{command}");
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
}

#[tokio::test]
async fn where_the_server_does_not_tell_the_lengths_are_looked_at() {
    let rig = Rig::new().await;
    // Once without pushes, once without the protocol that has them.
    for command in ["client|tracking", "hello"] {
        let (store, user) = without(&rig, command).await;
        let worker = store.register(&[QueueName::default()]).await.unwrap();
        let waiting = worker.queues.clone();
        let mut wait = store.wait(&waiting, None);
        assert!(timeout(Duration::from_millis(600), &mut wait).await.is_err(), "{command}");
        store.enqueue(&[message("default", 1)]).await.unwrap();
        timeout(Duration::from_millis(600), wait).await.unwrap();
        let found = fetch(&store, &worker, 9).await;
        assert_eq!(arguments(&found), [1]);
        store.finish(&worker, &[completion(&found[0].claim, Disposition::Ack)]).await.unwrap();
        assert!(store.beat(&worker, &[], &[]).await.unwrap().lost.is_empty());
        let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_no_outage_and_is_not_shown() {
    let rig = Rig::new().await;
    let (_, user) = without(&rig, "debug").await;
    let url = tests::redis::url().replace("redis://", &format!("redis://{user}:wrong-one@"));
    let error = RedisStore::connect(&url, &rig.namespace, rig.clock.clone()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { cause: StoreError::Refused(_), .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wrong-one"), "{error:?}");
    let _: i64 = rig.redis(&["ACL", "DELUSER", &user]).await;
}
