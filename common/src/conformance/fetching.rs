//! Who gets what.

use super::{Fixture, Peer, numbers};
use crate::queue_name::QueueName;

/// What is left stays for others.
pub async fn fetch_takes_no_more_than_was_wanted(fixture: &Fixture) {
    let messages: Vec<_> = (0..5).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    assert_eq!(numbers(&worker.fetch(3).await), [0, 1, 2]);
    assert_eq!(fixture.counts().await, (2, 0, 3, 0));
}

/// Two workers never share a message.
pub async fn a_claimed_message_is_fetched_by_nobody_else(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (one, two) = (fixture.worker().await, fixture.other_worker().await);
    assert_eq!(numbers(&one.fetch(9).await), [1]);
    assert_eq!(two.fetch(9).await, []);
}

/// Names that start alike are different queues.
pub async fn a_worker_fetches_nothing_from_other_queues(fixture: &Fixture) {
    let mut urgent = fixture.message(1);
    urgent.queue_name = QueueName::new("default_urgent").expect("a queue name");
    fixture.store.enqueue(&[urgent]).await.expect("enqueue");
    assert_eq!(fixture.worker().await.fetch(9).await, []);
    let other = Peer::join(fixture.store.clone(), QueueName::new("default_urgent").expect("a queue name")).await;
    assert_eq!(numbers(&other.fetch(9).await), [1]);
}
