//! Who lives, and what becomes of the messages of those who do not.

use std::time::Duration;

use super::{Fixture, numbers};
use crate::error::StoreError;
use crate::store::{Body, Disposition, Finished};

/// Found by anybody who looks, within a few beats.
pub async fn a_dead_workers_messages_come_back_to_the_head(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let (dead, survivor) = (fixture.worker().await, fixture.other_worker().await);
    let held = dead.fetch_one().await;
    survivor.beat(&[]).await;
    let moved = fixture.beat_until_dead(&survivor).await;
    assert_eq!(moved, 1);
    let deliveries = survivor.fetch(9).await;
    assert_eq!(numbers(&deliveries), [1, 2]);
    assert_eq!(dead.finish(&held.claim, Disposition::Ack).await, Finished::ClaimLost, "its successor has it");
    assert_eq!(survivor.finish(&deliveries[0].claim, Disposition::Ack).await, Finished::Done);
}

/// However long a message takes.
pub async fn a_worker_that_beats_is_never_robbed(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (busy, other) = (fixture.worker().await, fixture.other_worker().await);
    let held = busy.fetch_one().await.claim;
    for _ in 0..60 {
        fixture.tick();
        assert_eq!(busy.beat(std::slice::from_ref(&held)).await.lost, []);
        assert_eq!(other.beat(&[]).await.moved, 0);
    }
    assert_eq!(busy.finish(&held, Disposition::Ack).await, Finished::Done);
}

/// Neither a clock that jumps nor a looker that was asleep makes anybody dead.
pub async fn looks_that_come_late_find_nobody_dead(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (quiet, other) = (fixture.worker().await, fixture.other_worker().await);
    let held = quiet.fetch_one().await.claim;
    other.beat(&[]).await;
    for jump in [Duration::from_secs(86_400), Duration::from_millis(2_900), Duration::from_millis(2_900)] {
        fixture.clock.advance(jump);
        assert_eq!(other.beat(&[]).await.moved, 0);
    }
    assert_eq!(quiet.finish(&held, Disposition::Ack).await, Finished::Done);
}

/// Paused for too long, it is not registered any more until it beats; then it goes on under the same id.
pub async fn a_worker_taken_for_dead_learns_what_it_lost_and_goes_on(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (paused, survivor) = (fixture.worker().await, fixture.other_worker().await);
    let held = paused.fetch_one().await.claim;
    survivor.beat(&[]).await;
    fixture.beat_until_dead(&survivor).await;
    fixture.enqueue(&[fixture.message(2)]).await;
    assert_eq!(paused.try_fetch(9).await, Err(StoreError::NotRegistered));
    assert_eq!(paused.beat(std::slice::from_ref(&held)).await.lost, [held]);
    assert_eq!(numbers(&paused.fetch(9).await), [1, 2]);
}

/// To the head, once no call can be under way any more; what the worker knows of stays.
pub async fn what_a_lost_answer_has_claimed_comes_back(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    let held = worker.fetch_one().await.claim;
    worker.fetch_one().await;
    fixture.enqueue(&[fixture.message(3)]).await;
    assert_eq!(worker.beat(std::slice::from_ref(&held)).await.lost, []);
    assert_eq!(fixture.counts().await, (1, 0, 2, 0), "an answer may be under way");
    for _ in 0..6 {
        fixture.tick();
        assert_eq!(worker.beat(std::slice::from_ref(&held)).await.lost, []);
    }
    assert_eq!(numbers(&worker.fetch(9).await), [2, 3]);
}

/// They are kept for a week, then nothing is left of them.
pub async fn dead_letters_expire(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let body = Body::Raw(b"x".to_vec());
    assert_eq!(worker.finish(&delivery.claim, Disposition::DeadLetter(body, "no".to_owned())).await, Finished::Done);
    fixture.clock.advance(Duration::from_secs(7 * 86_400 - 120));
    worker.beat(&[]).await;
    assert_eq!(fixture.counts().await, (0, 0, 0, 1));
    fixture.clock.advance(Duration::from_secs(240));
    worker.beat(&[]).await;
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// For a worker that missed its wake-up: of any priority, but neither what is delayed nor what is claimed.
pub async fn a_beat_tells_that_something_is_ready(fixture: &Fixture) {
    let worker = fixture.worker().await;
    fixture.enqueue(&[fixture.delayed(1, Duration::from_secs(60))]).await;
    assert!(!worker.beat(&[]).await.ready);
    for priority in [0, 5] {
        fixture.enqueue(&[fixture.prioritised(2, priority)]).await;
        assert!(worker.beat(&[]).await.ready);
        let held = worker.fetch_one().await.claim;
        assert!(!worker.beat(std::slice::from_ref(&held)).await.ready);
        worker.finish(&held, Disposition::Ack).await;
    }
}

/// Nobody looks for it.
pub async fn a_worker_that_left_is_gone(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    worker.finish(&delivery.claim, Disposition::Ack).await;
    worker.store.deregister(&worker.registration).await.expect("deregistered");
    assert_eq!(worker.try_fetch(1).await, Err(StoreError::NotRegistered));
}

/// However long it has waited for the one before it.
pub async fn a_beat_that_comes_after_its_worker_left_does_not_register_it(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let beat = || worker.store.beat(&worker.registration, &[], &[]);
    let (last, left, late) = tokio::join!(biased; beat(), worker.store.deregister(&worker.registration), beat());
    last.expect("beat");
    left.expect("deregistered");
    late.expect_err("it has left");
    assert_eq!(worker.try_fetch(1).await, Err(StoreError::NotRegistered));
}

/// Leaving is no way to lose a message.
pub async fn a_worker_that_leaves_with_claims_is_found_dead(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (worker, survivor) = (fixture.worker().await, fixture.other_worker().await);
    worker.fetch_one().await;
    worker.store.deregister(&worker.registration).await.expect("deregistered");
    survivor.beat(&[]).await;
    fixture.beat_until_dead(&survivor).await;
    assert_eq!(numbers(&survivor.fetch(9).await), [1]);
}
