//! What happens to messages on their way in.

use std::collections::BTreeSet;

use super::{Fixture, message, numbers};
use crate::message::{MessageId, Raw, option};
use crate::store::{Disposition, Finished};

/// Nothing of a message is lost or changed on its way; only the store's own option may be added.
pub async fn a_message_is_fetched_as_it_was_enqueued(fixture: &Fixture) {
    let mut sent = fixture.message(1);
    sent.args.push(Raw::from("grüße"));
    sent.kwargs.set("k", Raw::NULL);
    sent.options.set("unknown", Raw::from(5_i64));
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let mut fetched = message(&delivery).clone();
    fetched.options.remove(option::REDIS_MESSAGE_ID);
    assert_eq!(fetched, sent);
}

/// First in, first out; over several calls and within one.
pub async fn messages_are_fetched_in_the_order_of_their_enqueueing(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    fixture.enqueue(&[fixture.message(3)]).await;
    let worker = fixture.worker().await;
    assert_eq!(numbers(&worker.fetch(2).await), [1, 2]);
    assert_eq!(numbers(&worker.fetch(2).await), [3]);
}

/// Lower numbers first, the same number by age; what lies outside of the bounds counts as the nearest.
pub async fn lower_priorities_are_fetched_first(fixture: &Fixture) {
    // A live worker makes a store keep the order; without one, it may fall back to less.
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    let order = [(1, 5), (2, 0), (3, -1), (4, 5), (5, 0), (6, -4_000), (7, -1), (8, 99_999), (9, 4_000)];
    let messages: Vec<_> = order.iter().map(|(number, priority)| fixture.prioritised(*number, *priority)).collect();
    fixture.enqueue(&messages).await;
    assert_eq!(numbers(&worker.fetch(4).await), [6, 3, 7, 2]);
    assert_eq!(numbers(&worker.fetch(9).await), [5, 1, 4, 8, 9]);
}

/// A sender that does not know the outcome repeats its call, and nothing is doubled.
pub async fn the_same_message_sent_twice_is_stored_once(fixture: &Fixture) {
    let (one, two) = (fixture.message(1), fixture.message(2));
    fixture.enqueue(&[one.clone(), one.clone(), two.clone()]).await;
    fixture.enqueue(&[two, one]).await;
    assert_eq!(numbers(&fixture.worker().await.fetch(9).await), [1, 2]);
}

/// An id that is in use does not cost anybody a message.
pub async fn another_message_of_the_same_id_is_kept_beside_it(fixture: &Fixture) {
    let one = fixture.message(1);
    let mut two = fixture.message(2);
    two.message_id = one.message_id.clone();
    fixture.enqueue(&[one, two.clone()]).await;
    two.args = vec![Raw::from(3_i64)];
    fixture.enqueue(&[two]).await;
    let worker = fixture.worker().await;
    let deliveries = worker.fetch(9).await;
    assert_eq!(numbers(&deliveries), [1, 2, 3]);
    for delivery in &deliveries {
        assert_eq!(worker.finish(&delivery.claim, Disposition::Ack).await, Finished::Done);
    }
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// An id is any text: whoever sends chooses it, and it takes part in the store's own names.
pub async fn any_text_is_an_id(fixture: &Fixture) {
    let ids = ["1", "", "no uuid, é", "a@7", "a@7@-1", "a:b", "a b\n", "*", "%", "{x}", "\u{0}", "a+"];
    let long = "x".repeat(2_000);
    let ids: Vec<&str> = ids.into_iter().chain([long.as_str()]).collect();
    let with_id = |(number, id): (i64, &&str)| {
        let mut message = fixture.message(number);
        message.message_id = MessageId::from(*id);
        message
    };
    let messages: Vec<_> = (1..).zip(&ids).map(with_id).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    let deliveries = worker.fetch(ids.len()).await;
    let found: Vec<_> = deliveries.iter().map(|delivery| message(delivery).message_id.as_str()).collect();
    assert_eq!(found, ids);
    for (place, delivery) in deliveries.iter().enumerate() {
        let end = if place % 2 == 0 {
            Disposition::Ack
        } else {
            Disposition::Retry(fixture.clock.now(), message(delivery).clone())
        };
        assert_eq!(worker.finish(&delivery.claim, end).await, Finished::Done, "{:?}", ids[place]);
    }
    worker.beat(&[]).await;
    let again = worker.fetch(ids.len()).await;
    let found: BTreeSet<_> = again.iter().map(|delivery| message(delivery).message_id.as_str()).collect();
    assert_eq!(found, ids.iter().skip(1).step_by(2).copied().collect());
}

/// The message is known as long as it lives, also while a worker has claimed it.
pub async fn a_repeated_message_is_known_while_it_runs(fixture: &Fixture) {
    let one = fixture.message(1);
    fixture.enqueue(std::slice::from_ref(&one)).await;
    let worker = fixture.worker().await;
    worker.fetch_one().await;
    fixture.enqueue(&[one]).await;
    assert_eq!(worker.fetch(9).await, []);
}
