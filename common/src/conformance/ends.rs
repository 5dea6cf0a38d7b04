//! What dies in the store, without a worker's doing, is ended by one.

use std::time::Duration;

use super::{Fixture, Peer, message};
use crate::clock::Timestamp;
use crate::message::{Message, Raw};
use crate::store::{Body, Claim, Disposition, Effect, Finished, Unended};

impl Peer {
    async fn unended(&self) -> Vec<Unended> {
        let queues = self.beat(&[]).await.unended;
        if queues.is_empty() { Vec::new() } else { self.store.unended(&queues, 9).await.expect("unended") }
    }

    async fn end(&self, claim: &Claim, effects: Vec<Effect>) -> Finished {
        self.finish_with(claim, Disposition::StaysDead, effects).await
    }
}

fn numbers(unended: &[Unended]) -> Vec<i64> {
    let read = |letter: &Unended| {
        let message = Message::decode(letter.bytes.as_ref().expect("its bytes"), Timestamp::EPOCH).expect("a message");
        message.args[0].read().expect("a number")
    };
    let mut numbers: Vec<_> = unended.iter().map(read).collect();
    numbers.sort_unstable();
    numbers
}

/// Every worker of the queue is told, until one has ended it; what that one brings about happens once.
pub async fn what_dies_in_the_store_is_ended_by_one_worker(fixture: &Fixture) {
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    assert_eq!(worker.unended().await, []);
    let sent = fixture.message(1);
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    fixture.cancel(sent.message_id.as_str()).await;
    let unended = worker.unended().await;
    assert_eq!(unended, other.unended().await);
    assert_eq!(numbers(&unended), [1]);
    assert_eq!((unended[0].reason.as_str(), unended[0].died), ("cancelled by hand", fixture.clock.now()));
    let claim = &unended[0].claim;
    let follows = [fixture.message(2), fixture.message(3)];
    let effects = follows.map(|message| vec![Effect::Enqueue(message)]);
    let [first, second] = effects;
    assert_eq!(worker.end(claim, first).await, Finished::Done);
    assert_eq!(other.end(claim, second).await, Finished::ClaimLost);
    assert_eq!((worker.unended().await, other.unended().await), (Vec::new(), Vec::new()));
    assert_eq!(fixture.counts().await, (1, 0, 0, 1), "it stays dead, and only the first one had any effect");
    assert_eq!(super::numbers(&worker.fetch(9).await), [2]);
}

/// Cancelled while it waited, or when it was to run again, by its worker or after that one's death. What a worker dead-letters has
/// its end.
pub async fn every_death_in_the_store_waits_for_its_end(fixture: &Fixture) {
    let (worker, survivor) = (fixture.worker().await, fixture.other_worker().await);
    let due = fixture.clock.now() + Duration::from_secs(1);
    let delayed = fixture.delayed(0, Duration::from_secs(60));
    fixture.enqueue(std::slice::from_ref(&delayed)).await;
    fixture.cancel(delayed.message_id.as_str()).await;
    let ends: [fn(Timestamp, Message) -> Disposition; 4] = [
        |_, _| Disposition::Release,
        |_, again| Disposition::Requeue(again),
        |due, again| Disposition::Retry(due, again),
        |due, again| Disposition::Defer(due, again),
    ];
    for (number, end) in (1..).zip(ends) {
        let sent = fixture.message(number);
        fixture.enqueue(std::slice::from_ref(&sent)).await;
        let delivery = worker.fetch_one().await;
        fixture.cancel(sent.message_id.as_str()).await;
        let mut again = message(&delivery).clone();
        again.options.set("again", Raw::from(true));
        assert_eq!(worker.finish(&delivery.claim, end(due, again)).await, Finished::Done);
    }
    let ended = fixture.message(5);
    fixture.enqueue(std::slice::from_ref(&ended)).await;
    let delivery = worker.fetch_one().await;
    let disposition = Disposition::DeadLetter(Body::Message(ended), "its worker says so".to_owned());
    assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    let orphaned = fixture.message(6);
    fixture.enqueue(std::slice::from_ref(&orphaned)).await;
    worker.fetch_one().await;
    fixture.cancel(orphaned.message_id.as_str()).await;
    assert_eq!(numbers(&survivor.unended().await), [0, 1, 2, 3, 4]);
    fixture.beat_until_dead(&survivor).await;
    let unended = survivor.unended().await;
    assert_eq!(numbers(&unended), [0, 1, 2, 3, 4, 6]);
    for letter in &unended {
        assert_eq!(survivor.end(&letter.claim, Vec::new()).await, Finished::Done);
    }
    assert_eq!(survivor.unended().await, []);
    assert_eq!(fixture.counts().await, (0, 0, 0, 7));
}

/// Requeued it runs, and deleted it is nobody's.
pub async fn a_dead_letter_that_is_requeued_or_deleted_has_no_end(fixture: &Fixture) {
    let worker = fixture.worker().await;
    for number in [1, 2] {
        let sent = fixture.message(number);
        fixture.enqueue(std::slice::from_ref(&sent)).await;
        fixture.cancel(sent.message_id.as_str()).await;
    }
    let unended = worker.unended().await;
    assert_eq!(numbers(&unended), [1, 2]);
    let letters = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters");
    let again = Message::decode(&letters[0].bytes, fixture.clock.now()).expect("a message");
    let requeued = fixture.store.requeue_dead(&fixture.queue, &[(letters[0].id.clone(), again)]).await;
    assert_eq!(requeued, Ok(vec![true]));
    assert_eq!(fixture.store.delete(&fixture.queue, &[letters[1].id.clone()]).await, Ok(vec![true]));
    assert_eq!(worker.unended().await, []);
    for letter in &unended {
        let effects = vec![Effect::Enqueue(fixture.message(9))];
        assert_eq!(worker.end(&letter.claim, effects).await, Finished::ClaimLost);
    }
    assert_eq!(fixture.counts().await, (1, 0, 0, 0));
}
