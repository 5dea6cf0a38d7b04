//! What waits for its time.

use std::time::Duration;

use super::{Fixture, numbers};
use crate::message::{Raw, option};
use crate::store::{Disposition, Finished};

/// Never early, and ready with the first beat after its time.
pub async fn a_delayed_message_is_not_ready_before_its_time(fixture: &Fixture) {
    let worker = fixture.worker().await;
    fixture.enqueue(&[fixture.delayed(1, Duration::from_secs(60))]).await;
    fixture.clock.advance(Duration::from_millis(59_999));
    assert_eq!(worker.beat(&[]).await.moved, 0);
    assert_eq!(worker.fetch(9).await, []);
    assert_eq!(fixture.counts().await, (0, 1, 0, 0));
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(worker.beat(&[]).await.moved, 1);
    assert_eq!(numbers(&worker.fetch(9).await), [1]);
}

/// The time decides, not the order of sending.
pub async fn delayed_messages_become_ready_in_the_order_of_their_times(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let delays = [(1, 30), (2, 10), (3, 20), (4, 10)];
    let messages: Vec<_> =
        delays.iter().map(|(number, seconds)| fixture.delayed(*number, Duration::from_secs(*seconds))).collect();
    fixture.enqueue(&messages).await;
    fixture.clock.advance(Duration::from_secs(3_600));
    worker.beat(&[]).await;
    let order = numbers(&worker.fetch(9).await);
    assert_eq!(order[2..], [3, 1], "{order:?}");
}

/// There is no longest delay.
pub async fn a_delay_of_a_year_is_kept(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    fixture.enqueue(&[fixture.delayed(1, year)]).await;
    fixture.clock.advance(Duration::from_secs(365 * 86_400 - 1));
    worker.beat(&[]).await;
    assert_eq!(worker.fetch(9).await, []);
    fixture.clock.advance(Duration::from_secs(1));
    worker.beat(&[]).await;
    assert_eq!(numbers(&worker.fetch(9).await), [1]);
}

/// Python knows no end of time either.
pub async fn a_delay_beyond_all_time_is_kept_and_disturbs_nobody(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let mut endless = fixture.message(2);
    endless.options.set(option::ETA, Raw::from(i64::MAX));
    fixture.enqueue(&[fixture.delayed(1, Duration::MAX), endless, fixture.message(3)]).await;
    let delivery = worker.fetch_one().await;
    assert_eq!(numbers(std::slice::from_ref(&delivery)), [3]);
    let again = Disposition::Retry(fixture.clock.now() + Duration::MAX, fixture.message(3));
    assert_eq!(worker.finish(&delivery.claim, again).await, Finished::Done);
    fixture.clock.advance(Duration::from_secs(1_000 * 365 * 86_400));
    let beat = worker.beat(&[]).await;
    assert_eq!((beat.moved, fixture.counts().await), (0, (0, 3, 0, 0)));
    let far = fixture.clock.now() + Duration::from_secs(1_000 * 365 * 86_400);
    assert!(beat.next_due.is_some_and(|due| due > far), "{beat:?}");
    fixture.enqueue(&[fixture.delayed(4, Duration::from_secs(1))]).await;
    fixture.clock.advance(Duration::from_secs(1));
    worker.beat(&[]).await;
    assert_eq!(numbers(&worker.fetch(9).await), [4]);
}

/// A time that is past is the present.
pub async fn a_delay_that_is_over_is_none(fixture: &Fixture) {
    fixture.enqueue(&[fixture.delayed(1, Duration::ZERO)]).await;
    assert_eq!(numbers(&fixture.worker().await.fetch(9).await), [1]);
}

/// The message stays known when its time has come, and while a worker has claimed it.
pub async fn a_repeated_delayed_message_is_known_after_its_promotion(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let sent = fixture.delayed(1, Duration::from_secs(1));
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    assert_eq!(fixture.counts().await, (0, 1, 0, 0));
    fixture.clock.advance(Duration::from_secs(1));
    worker.beat(&[]).await;
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    let delivery = worker.fetch_one().await;
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    assert_eq!(worker.fetch(9).await, []);
    assert_eq!(worker.finish(&delivery.claim, Disposition::Ack).await, Finished::Done);
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// Beat and fetch both tell when to look again.
pub async fn the_next_due_time_is_told(fixture: &Fixture) {
    let worker = fixture.worker().await;
    assert_eq!(worker.beat(&[]).await.next_due, None);
    let due = fixture.clock.now() + Duration::from_secs(5);
    let messages = [fixture.delayed(1, Duration::from_secs(9)), fixture.delayed(2, Duration::from_secs(5))];
    fixture.enqueue(&messages).await;
    assert_eq!(worker.beat(&[]).await.next_due, Some(due));
    let requests = [crate::store::FetchRequest { queue: fixture.queue.clone(), count: 1, before: None }];
    let fetched = worker.store.fetch(&worker.registration, &requests, usize::MAX).await.expect("fetch");
    assert_eq!(fetched.next_due, Some(due));
}
