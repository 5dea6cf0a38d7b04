//! How claims end.

use std::time::Duration;

use super::{Fixture, message, numbers};
use crate::message::{Message, Raw, option};
use crate::store::{Body, Completion, Delivery, Disposition, Effect, Finished};

/// Nothing is left of it.
pub async fn an_acknowledged_message_is_gone(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    assert_eq!(worker.finish(&delivery.claim, Disposition::Ack).await, Finished::Done);
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// A worker that does not know whether its end arrived may send it again, whatever it was, and whatever it is now.
pub async fn an_end_that_is_repeated_is_unknown(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let (queue, due) = (&fixture.queue, fixture.clock.now() + Duration::from_secs(1));
    let ends = |message: &Message| {
        [
            Disposition::Ack,
            Disposition::Requeue(message.clone()),
            Disposition::Retry(due, message.clone()),
            Disposition::Defer(due, message.clone()),
            Disposition::Release,
            Disposition::DeadLetter(Body::Message(message.clone()), "no".to_owned()),
        ]
    };
    for at in 0..ends(&fixture.message(0)).len() {
        fixture.enqueue(&[fixture.message(1)]).await;
        let delivery = worker.fetch_one().await;
        let ends = ends(message(&delivery));
        assert_eq!(worker.finish(&delivery.claim, ends[at].clone()).await, Finished::Done);
        let before = fixture.store.counts(queue).await.expect("counts");
        for again in ends {
            assert_eq!(worker.finish(&delivery.claim, again).await, Finished::ClaimLost);
        }
        assert_eq!(fixture.store.counts(queue).await.expect("counts"), before);
        for left in worker.fetch(9).await {
            assert_eq!(worker.finish(&left.claim, Disposition::Ack).await, Finished::Done);
        }
    }
    assert_eq!(fixture.counts().await, (0, 2, 0, 1));
}

/// The retry is what the worker made of the message, under the same message id.
pub async fn a_retry_comes_back_at_its_time_with_its_new_body(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let mut retry = message(&delivery).clone();
    retry.options.set(option::RETRIES, Raw::from(1_u32));
    let due = fixture.clock.now() + Duration::from_secs(15);
    assert_eq!(worker.finish(&delivery.claim, Disposition::Retry(due, retry)).await, Finished::Done);
    assert_eq!(fixture.counts().await, (0, 1, 0, 0));
    fixture.clock.advance(Duration::from_secs(14));
    worker.beat(&[]).await;
    assert_eq!(worker.fetch(9).await, []);
    fixture.clock.advance(Duration::from_secs(1));
    worker.beat(&[]).await;
    let again = worker.fetch_one().await;
    assert_eq!(message(&again).message_id, message(&delivery).message_id);
    assert_eq!(message(&again).retries(), 1);
    assert_eq!(message(&again).message_timestamp, message(&delivery).message_timestamp);
    assert_eq!(worker.finish(&again.claim, Disposition::Ack).await, Finished::Done);
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// A requeue waits its turn.
pub async fn a_message_made_ready_again_goes_to_the_tail_with_its_new_body(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let mut again = message(&delivery).clone();
    again.args = vec![Raw::from(3_i64)];
    assert_eq!(worker.finish(&delivery.claim, Disposition::Requeue(again)).await, Finished::Done);
    assert_eq!(numbers(&worker.fetch(9).await), [2, 3]);
}

/// What was not run keeps its place.
pub async fn messages_requeued_lie_at_the_head_in_order(fixture: &Fixture) {
    let messages: Vec<_> = (1..=4).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    let deliveries = worker.fetch(3).await;
    let completions: Vec<_> = deliveries.iter().map(|delivery| Completion::release(delivery.claim.clone())).collect();
    let answers = worker.store.finish(&worker.registration, &completions).await.expect("finish");
    assert_eq!(answers, [Finished::Done, Finished::Done, Finished::Done]);
    assert_eq!(fixture.counts().await, (4, 0, 0, 0));
    let again = fixture.other_worker().await.fetch(9).await;
    assert_eq!(numbers(&again), [1, 2, 3, 4]);
    assert_eq!(again[0], deliveries[0], "a message that was requeued keeps name and bytes");
}

/// However many calls of the store's server that takes.
pub async fn thousands_requeued_at_once_lie_at_the_head_in_order(fixture: &Fixture) {
    let messages: Vec<_> = (1..=2_501).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    let mut completions = Vec::new();
    while completions.len() < messages.len() - 1 {
        let deliveries = worker.fetch(messages.len() - 1 - completions.len()).await;
        assert_ne!(deliveries, [], "all of them are ready");
        let back = |delivery: Delivery| Completion::release(delivery.claim);
        completions.extend(deliveries.into_iter().map(back));
    }
    let answers = worker.store.finish(&worker.registration, &completions).await.expect("finish");
    assert!(answers.iter().all(|answer| *answer == Finished::Done));
    let (other, mut again) = (fixture.other_worker().await, Vec::new());
    while again.len() < messages.len() {
        let deliveries = other.fetch(messages.len()).await;
        assert_ne!(deliveries, [], "all of them are ready");
        again.extend(numbers(&deliveries));
    }
    assert_eq!(again, (1..=2_501).collect::<Vec<_>>());
}

/// A dead letter is what the worker made of the message, with the reason.
pub async fn a_dead_letter_keeps_body_and_reason(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let mut dead = message(&delivery).clone();
    dead.options.set(option::RETRIES, Raw::from(3_u32));
    let disposition = Disposition::DeadLetter(Body::Message(dead), "17 is not allowed".to_owned());
    assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    assert_eq!(fixture.counts().await, (0, 0, 0, 1));
    let letter = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters").remove(0);
    let body = Message::decode(&letter.bytes, fixture.clock.now()).expect("a message");
    assert_eq!(body.message_id, message(&delivery).message_id);
    assert_eq!(body.retries(), 3);
    assert_eq!(letter.reason.as_deref(), Some("17 is not allowed"));
    assert_eq!(letter.died, fixture.clock.now());
}

/// Bytes that nobody can read are kept as they are.
pub async fn raw_bytes_can_die(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let disposition = Disposition::DeadLetter(Body::Raw(b"\xff no message".to_vec()), "not a message".to_owned());
    assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    let letter = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters").remove(0);
    assert_eq!(letter.bytes, b"\xff no message");
    assert_eq!(letter.reason.as_deref(), Some("not a message"));
}

/// What else a run brings about is there once its claim is gone.
pub async fn effects_happen_with_the_end(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let effects =
        vec![Effect::Enqueue(fixture.message(2)), Effect::Enqueue(fixture.delayed(3, Duration::from_secs(60)))];
    assert_eq!(worker.finish_with(&delivery.claim, Disposition::Ack, effects).await, Finished::Done);
    assert_eq!(fixture.counts().await, (1, 1, 0, 0));
    assert_eq!(numbers(&worker.fetch(9).await), [2]);
}

/// A result is there once the claim is gone, in place of an older one.
pub async fn a_result_is_stored_with_the_end(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    let key = crate::message::MessageId::random().to_string();
    for value in ["first", "second"] {
        let delivery = worker.fetch_one().await;
        let value = value.as_bytes().to_vec();
        let effects = vec![Effect::Store { key: key.clone(), value: value.clone(), ttl: Duration::from_secs(60) }];
        assert_eq!(worker.finish_with(&delivery.claim, Disposition::Ack, effects).await, Finished::Done);
        assert_eq!(fixture.store.stored(&key).await, Ok(Some(value)));
    }
    assert_eq!(fixture.store.stored("nothing").await, Ok(None));
}

/// What is forgotten is gone, and nothing else is; what was never there does not count.
pub async fn a_result_that_is_forgotten_is_gone(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (claim, key) = (worker.fetch_one().await.claim, crate::message::MessageId::random().to_string());
        let effects = vec![Effect::Store { key: key.clone(), value: vec![7], ttl: Duration::from_secs(60) }];
        worker.finish_with(&claim, Disposition::Ack, effects).await;
        keys.push(key);
    }
    let forgotten = ["nothing".to_owned(), keys[0].clone()];
    assert_eq!(fixture.store.forget(&forgotten).await, Ok(1));
    assert_eq!(fixture.store.forget(&forgotten).await, Ok(0));
    assert_eq!(fixture.store.forget(&[]).await, Ok(0));
    let all = [keys[1].clone(), keys[0].clone(), keys[1].clone()];
    assert_eq!(fixture.store.stored_all(&all).await, Ok(vec![Some(vec![7]), None, Some(vec![7])]));
    assert_eq!(fixture.store.stored_all(&[]).await, Ok(Vec::new()));
    assert_eq!(fixture.store.stored(&keys[0]).await, Ok(None));
    assert_eq!(fixture.store.stored(&keys[1]).await, Ok(Some(vec![7])));
}

/// A time that no calendar reaches is cut, and spoils nothing that ends beside it.
pub async fn a_result_is_kept_for_as_long_as_a_store_can(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    let deliveries = worker.fetch(2).await;
    let key = crate::message::MessageId::random().to_string();
    let endless = Effect::Store { key: key.clone(), value: b"3".to_vec(), ttl: Duration::MAX };
    let completion = |delivery: &Delivery, effects| Completion {
        claim: delivery.claim.clone(),
        disposition: Disposition::Ack,
        effects,
    };
    let completions = [completion(&deliveries[0], vec![endless]), completion(&deliveries[1], Vec::new())];
    let answers = worker.store.finish(&worker.registration, &completions).await.expect("finish");
    assert_eq!(answers, [Finished::Done, Finished::Done]);
    fixture.clock.advance(Duration::from_secs(365 * 86_400));
    worker.beat(&[]).await;
    assert_eq!(fixture.store.stored(&key).await, Ok(Some(b"3".to_vec())));
}

/// Somebody else's message cannot be ended, nor can its end bring anything about.
pub async fn an_end_without_a_claim_has_no_effect(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    let delivery = worker.fetch_one().await;
    let message = message(&delivery).clone();
    let due = fixture.clock.now() + Duration::from_secs(1);
    for disposition in [
        Disposition::Ack,
        Disposition::Release,
        Disposition::Requeue(message.clone()),
        Disposition::Retry(due, message.clone()),
        Disposition::Defer(due, message.clone()),
        Disposition::DeadLetter(Body::Message(message), "no".to_owned()),
    ] {
        let result = Effect::Store { key: "theirs".to_owned(), value: Vec::new(), ttl: Duration::from_secs(60) };
        let effects = vec![Effect::Enqueue(fixture.message(2)), result];
        assert_eq!(other.finish_with(&delivery.claim, disposition, effects).await, Finished::ClaimLost);
    }
    assert_eq!(fixture.counts().await, (0, 0, 1, 0));
    assert_eq!(fixture.store.stored("theirs").await, Ok(None));
    assert_eq!(worker.finish(&delivery.claim, Disposition::Ack).await, Finished::Done);
}

/// One completion that finds nothing does not touch its neighbours.
pub async fn each_completion_of_a_batch_is_judged_alone(fixture: &Fixture) {
    let messages: Vec<_> = (1..=3).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    let deliveries = worker.fetch(3).await;
    worker.finish(&deliveries[1].claim, Disposition::Ack).await;
    let places = [Disposition::Ack, Disposition::Ack, Disposition::Release];
    let completions: Vec<_> = deliveries
        .iter()
        .zip(places)
        .map(|(delivery, disposition)| Completion { claim: delivery.claim.clone(), disposition, effects: Vec::new() })
        .collect();
    let answers = worker.store.finish(&worker.registration, &completions).await.expect("finish");
    assert_eq!(answers, [Finished::Done, Finished::ClaimLost, Finished::Done]);
    assert_eq!(numbers(&worker.fetch(9).await), [3]);
}
