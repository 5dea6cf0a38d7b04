//! Ends of claims: where the message goes, and what lies in Redis afterwards.

use std::time::Duration;

use common::message::option;
use common::store::{Body, Claim, Completion, Disposition, Effect, Finished, Inspect as _, Store as _};

use tests::redis::Server;

use crate::rig::*;

#[tokio::test]
async fn a_retry_goes_under_a_fresh_name_that_its_bytes_tell_and_a_requeue_has_no_eta() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let first = rig.fetch(&worker, 1).await.remove(0);
    let retry = Disposition::Retry(rig.later(1), delivered(&first));
    assert_eq!(rig.finish(&worker, &first.claim, retry).await, Finished::Done);
    assert_eq!(rig.beats(&worker, &[], 1).await, 1);
    let second = rig.fetch(&worker, 1).await.remove(0);
    assert_ne!(second.claim.id, first.claim.id);
    let message = delivered(&second);
    assert_eq!(message.message_id, delivered(&first).message_id);
    assert_eq!(message.options.read::<String>(option::REDIS_MESSAGE_ID).unwrap(), *second.claim.id);
    // Run again at once: without an eta.
    assert_eq!(rig.finish(&worker, &second.claim, Disposition::Requeue(message)).await, Finished::Done);
    let third = rig.fetch(&worker, 1).await.remove(0);
    assert!(delivered(&third).options.get(option::ETA).is_none());
}

#[tokio::test]
async fn requeued_messages_keep_their_order_ids_and_bytes_before_all_others() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let with = |argument, priority| with_option(message("default", argument), option::PRIORITY, priority);
    rig.enqueue(&[
        message("default", 1),
        message("default", 2),
        message("default", 3),
        with(4, 2),
        with(5, 2),
        with(6, 2),
    ])
    .await;
    let found = rig.fetch(&worker, 5).await;
    assert_eq!(arguments(&found), [1, 2, 3, 4, 5]);
    let heads = [0, 1, 3, 4].map(|at: usize| completion(&found[at].claim, Disposition::Release));
    assert_eq!(rig.store.finish(&worker, &heads).await.unwrap(), vec![Finished::Done; 4]);
    let again = rig.fetch(&worker, 5).await;
    assert_eq!(arguments(&again), [1, 2, 4, 5, 6]);
    assert_eq!(again[0], found[0]);
    assert_eq!(again[3], found[4]);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_name_and_its_reason_lies_beside_it() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let disposition = Disposition::DeadLetter(Body::Message(delivered(&found)), "gave up\nafter 20".to_owned());
    assert_eq!(rig.finish(&worker, &found.claim, disposition).await, Finished::Done);
    assert_eq!(rig.keys().await, [":default.XQ", ":default.XQ.msgs", ":default.XQ@why"]);
    let reason: String = rig.redis(&["HGET", ":default.XQ@why", &found.claim.id]).await;
    assert_eq!(reason, "gave up\nafter 20");
}

#[tokio::test]
async fn dead_letters_expire_with_their_reasons() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    rig.finish(&worker, &found.claim, Disposition::DeadLetter(Body::Message(delivered(&found)), "why".to_owned()))
        .await;
    rig.clock.advance(common::store::DEAD_LETTER_TTL + Duration::from_secs(60));
    rig.beat(&worker, &[]).await;
    assert!(rig.keys().await.is_empty());
}

#[tokio::test]
async fn undecodable_bytes_are_delivered_and_die_as_they_are() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.python_sends("default", "x", b"\x80\x04nonsense").await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let undecodable = found.body.clone().unwrap_err();
    assert_eq!(undecodable.bytes, b"\x80\x04nonsense");
    let disposition = Disposition::DeadLetter(Body::Raw(undecodable.bytes.clone()), undecodable.error.to_string());
    assert_eq!(rig.finish(&worker, &found.claim, disposition).await, Finished::Done);
    let letter = rig.store.dead_letters(&worker.queues[0], 0, 10).await.unwrap().remove(0);
    assert_eq!((letter.id.as_str(), letter.bytes), ("x", undecodable.bytes));
}

#[tokio::test]
async fn effects_happen_with_the_completion_or_not_at_all() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[message("default", 1)]).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let next = message("other", 2);
    let with_next =
        Completion { effects: vec![Effect::Enqueue(next.clone())], ..completion(&found.claim, Disposition::Ack) };
    assert_eq!(rig.store.finish(&worker, std::slice::from_ref(&with_next)).await.unwrap(), [Finished::Done]);
    assert_eq!(rig.list(":other").await, [next.message_id.as_str()]);
    let other = rig.register(&["other"]).await;
    let step = rig.fetch(&other, 1).await.remove(0);
    rig.finish(&other, &step.claim, Disposition::Ack).await;
    assert_eq!(rig.store.finish(&worker, &[with_next]).await.unwrap(), [Finished::ClaimLost]);
    assert!(rig.keys().await.is_empty());
}

#[tokio::test]
async fn an_effect_whose_id_is_in_use_takes_another() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let one = message("default", 1);
    rig.enqueue(std::slice::from_ref(&one)).await;
    let found = rig.fetch(&worker, 1).await.remove(0);
    let mut two = one.clone();
    two.args = message("default", 2).args;
    let completion = Completion { effects: vec![Effect::Enqueue(two)], ..completion(&found.claim, Disposition::Ack) };
    assert_eq!(rig.store.finish(&worker, &[completion]).await.unwrap(), [Finished::Done]);
    assert_eq!(arguments(&rig.fetch(&worker, 9).await), [2]);
}

#[tokio::test]
async fn an_empty_batch_is_no_trouble() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    rig.enqueue(&[]).await;
    assert!(rig.store.fetch(&worker, &[], usize::MAX).await.unwrap().deliveries.is_empty());
    assert!(rig.fetch(&worker, 0).await.is_empty());
    assert!(rig.store.finish(&worker, &[]).await.unwrap().is_empty());
    rig.store.deregister(&worker).await.unwrap();
}

/// Bytes that the server's scripts keep in memory at the moment.
async fn memory_of_scripts(rig: &Rig) -> usize {
    let told: String = rig.redis(&["INFO", "memory"]).await;
    told.lines().find_map(|line| line.strip_prefix("used_memory_lua:")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn however_large_what_is_ended_is_the_server_copies_a_few_megabytes_of_it_at_once() {
    const COUNT: usize = 96;
    const SIZE: usize = 1 << 20;
    const MOST: usize = 32 << 20;
    // Its own, as what scripts keep is known of a whole server.
    let server = Server::start();
    let rig = Rig::at(&server.url()).await;
    let worker = rig.register(&["default"]).await;
    let acks = format!("{}:__acks__.{}.default", rig.namespace, worker.worker.as_str());
    let ids: Vec<_> = (0..COUNT).map(|number| format!("{number:02}")).collect();
    for (number, id) in ids.iter().enumerate() {
        // What is small does not overtake what is large.
        let size = if number % 8 == 0 { 1 } else { SIZE };
        let body = body_in("default", id, &format!(",\"filler\":\"{}\"", "x".repeat(size)));
        let mut pipe = redis::pipe();
        pipe.cmd("HSET").arg(format!("{}:default.msgs", rig.namespace)).arg(id).arg(body);
        pipe.cmd("SADD").arg(&acks).arg(id);
        rig.pipe(&pipe).await;
    }
    let claim = |id: &String| Claim { queue: worker.queues[0].clone(), id: id.as_str().into() };
    let heads: Vec<_> = ids.iter().map(|id| completion(&claim(id), Disposition::Release)).collect();
    assert_eq!(rig.store.finish(&worker, &heads).await.unwrap(), vec![Finished::Done; COUNT]);
    assert_eq!(rig.list(":default").await, ids);
    let memory = memory_of_scripts(&rig).await;
    assert!(memory < MOST, "requeueing: {memory} bytes");

    for id in &ids {
        let _: i64 = rig.redis(&["SADD", &acks, id]).await;
    }
    let effects =
        || vec![Effect::Store { key: "result".to_owned(), value: b"1".to_vec(), ttl: Duration::from_secs(60) }];
    let gone: Vec<_> =
        ids.iter().map(|id| Completion { effects: effects(), ..completion(&claim(id), Disposition::Ack) }).collect();
    assert_eq!(rig.store.finish(&worker, &gone).await.unwrap(), vec![Finished::Done; COUNT]);
    let memory = memory_of_scripts(&rig).await;
    assert!(memory < MOST, "storing results: {memory} bytes");
}
