//! Sending and fetching, and what lies in Redis afterwards.

use common::message::option;
use common::store::{Completion, Disposition, Finished, Store as _};

use crate::rig::*;

#[tokio::test]
async fn a_plain_message_lies_in_redis_as_dramatiq_would_store_it() {
    let rig = Rig::new().await;
    let message = message("default", 10);
    rig.enqueue(std::slice::from_ref(&message)).await;
    let id = message.message_id.as_str();
    assert_eq!(rig.keys().await, [":default", ":default.msgs"]);
    assert_eq!(rig.list(":default").await, [id]);
    let body: String = rig.redis(&["HGET", ":default.msgs", id]).await;
    assert_eq!(
        body,
        format!(
            r#"{{"queue_name":"default","actor_name":"count_to","args":[10],"kwargs":{{}},"options":{{"redis_message_id":"{id}"}},"message_id":"{id}","message_timestamp":{NOON}}}"#
        )
    );
}

#[tokio::test]
async fn a_delayed_message_goes_to_pythons_list_while_no_rust_worker_lives() {
    let rig = Rig::new().await;
    let message = delayed("default", 1, rig.later(60));
    rig.enqueue(std::slice::from_ref(&message)).await;
    assert_eq!(rig.keys().await, [":default.DQ", ":default.DQ.msgs"]);
    assert_eq!(rig.list(":default.DQ").await, [message.message_id.as_str()]);
}

#[tokio::test]
async fn a_delayed_message_goes_to_the_index_while_the_fleet_is_fresh() {
    let rig = Rig::new().await;
    rig.register(&["default"]).await;
    let message = delayed("default", 1, rig.later(60));
    rig.enqueue(std::slice::from_ref(&message)).await;
    let fleet = rig.fleet("default").await;
    let acks = format!(":__acks__.{fleet}.default.DQ");
    assert_eq!(rig.keys().await, [acks.as_str(), ":default.DQ.msgs", ":default@due"]);
    let due: i64 = rig.redis(&["ZSCORE", ":default@due", message.message_id.as_str()]).await;
    assert_eq!(due, rig.later(60).as_millis());
}

#[tokio::test]
async fn what_was_ordered_by_priority_leaves_nothing_behind() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let with = |argument, priority| with_option(message("default", argument), option::PRIORITY, priority);
    rig.enqueue(&[with(1, 5), with(2, 0), with(3, -5), with(4, 99_999), with(5, -9_000), message("default", 6)]).await;
    let found = claims(&rig.fetch(&worker, 100).await);
    let completions: Vec<Completion> = found.iter().map(|claim| completion(claim, Disposition::Ack)).collect();
    assert_eq!(rig.store.finish(&worker, &completions).await.unwrap(), vec![Finished::Done; 6]);
    assert!(rig.keys().await.is_empty(), "{:?}", rig.keys().await);
}

#[tokio::test]
async fn priorities_become_head_and_tail_while_no_rust_worker_lives() {
    let rig = Rig::new().await;
    let with = |argument, priority| with_option(message("default", argument), option::PRIORITY, priority);
    let messages = [with(1, 0), with(2, 5), with(3, -5)];
    rig.enqueue(&messages).await;
    let ids: Vec<&str> = [2, 0, 1].iter().map(|&at| messages[at].message_id.as_str()).collect();
    assert_eq!(rig.list(":default").await, ids);
}

#[tokio::test]
async fn of_two_messages_of_one_id_the_second_lies_under_a_fresh_name_that_its_bytes_tell() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let one = message("default", 1);
    let mut two = one.clone();
    two.args = message("default", 2).args;
    rig.enqueue(&[one.clone(), two]).await;
    let found = rig.fetch(&worker, 10).await;
    assert_eq!(&*found[0].claim.id, one.message_id.as_str());
    let other = delivered(&found[1]);
    assert_eq!(other.message_id, one.message_id);
    assert_ne!(found[1].claim.id, found[0].claim.id);
    assert_eq!(other.options.read::<String>(option::REDIS_MESSAGE_ID).unwrap(), *found[1].claim.id);
}

#[tokio::test]
async fn a_thousand_and_some_messages_go_in_chunks() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let messages: Vec<_> = (0..2_345).map(|n| message("default", n)).collect();
    rig.enqueue(&messages).await;
    let mut found = Vec::new();
    while found.len() < messages.len() {
        let some = rig.fetch(&worker, 2_000).await;
        assert!(!some.is_empty());
        found.extend(arguments(&some));
    }
    assert_eq!(found, (0..2_345).collect::<Vec<i64>>());
}

#[tokio::test]
async fn fetch_drops_ghosts_and_duplicates() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let one = message("default", 1);
    let id = one.message_id.as_str();
    rig.enqueue(std::slice::from_ref(&one)).await;
    let _: i64 = rig.redis(&["RPUSH", ":default", "ghost", id]).await;
    let found = rig.fetch(&worker, 10).await;
    assert_eq!(arguments(&found), [1]);
    let _: i64 = rig.redis(&["RPUSH", ":default", id]).await;
    assert!(rig.fetch(&worker, 10).await.is_empty());
    assert_eq!(rig.finish(&worker, &found[0].claim, Disposition::Ack).await, Finished::Done);
    assert!(rig.keys().await.is_empty());
}
