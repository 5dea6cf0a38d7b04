//! What one look at a message shows: what is kept of it, or else where it is.

use std::time::Duration;

use super::{Fixture, message};
use crate::message::{Message, Raw, option};
use crate::queue_name::QueueName;
use crate::store::{Body, Disposition, Effect, Finished, Kept, Look, Looked, Place, State};

/// How many messages end while they are looked at.
const ENDS: i64 = 50;

/// For longer than any test takes.
const TTL: Duration = Duration::from_secs(600);

/// Two keys of one message, and none of another test's.
fn look(message: &Message) -> Look {
    let id = &message.message_id;
    let keys = ["result", "mark"].map(|what| format!("look:{what}:{id}")).to_vec();
    Look { queue: message.queue_name.clone(), id: id.clone(), keys, told_under: format!("look:told:{id}:") }
}

impl Fixture {
    async fn look(&self, look: &Look) -> Looked {
        self.store.look(look).await.expect("a look")
    }

    /// Where a message is of which nothing is kept, and what its worker tells.
    async fn place(&self, message: &Message) -> (State, Option<Vec<u8>>) {
        match self.look(&look(message)).await {
            Looked { kept, place: Place::At { state, told, .. } } if kept == [None, None] => (state, told),
            other => panic!("{message} is somewhere: {other:?}"),
        }
    }
}

fn stored(key: &str, value: &[u8]) -> Effect {
    Effect::Store { key: key.to_owned(), value: value.to_vec(), ttl: TTL }
}

/// Ready behind others, delayed, claimed with what its worker tells, dead; and under another name as well.
pub async fn a_look_shows_where_a_message_is(fixture: &Fixture) {
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    let (claimed, failing, first) = (fixture.message(1), fixture.message(2), fixture.message(3));
    let (second, delayed) = (fixture.message(4), fixture.delayed(5, TTL));
    fixture.enqueue(&[claimed.clone(), failing.clone(), first, second.clone(), delayed.clone()]).await;
    let held = worker.fetch(2).await;
    assert_eq!(fixture.place(&second).await, (State::Ready { ahead: Some(1) }, None));
    assert_eq!(fixture.place(&delayed).await, (State::Delayed { due: fixture.clock.now() + TTL }, None));
    let id = worker.registration.worker.as_str().to_owned();
    let running = State::Claimed { worker: id.clone(), cancelled: false };
    assert_eq!(fixture.place(&claimed).await, (running.clone(), None));
    let told = Kept { key: look(&claimed).told_by(&id), value: b"since noon".to_vec(), ttl: TTL };
    assert_eq!(fixture.store.keep(&[told]).await, [Ok(())]);
    assert_eq!(fixture.place(&claimed).await, (running.clone(), Some(b"since noon".to_vec())));

    let mut again = message(&held[1]).clone();
    again.options.set(option::RETRIES, Raw::from(1_u32));
    let due = fixture.clock.now() + Duration::from_secs(5);
    assert_eq!(worker.finish(&held[1].claim, Disposition::Retry(due, again)).await, Finished::Done);
    assert_eq!(fixture.place(&failing).await, (State::Delayed { due }, None));
    fixture.clock.advance(Duration::from_secs(5));
    worker.beat(&[]).await;
    assert_eq!(fixture.place(&failing).await, (State::Ready { ahead: Some(2) }, None));
    let retried = worker.fetch(3).await.remove(2);
    assert_eq!(fixture.place(&failing).await, (running, None));
    let disposition = Disposition::DeadLetter(Body::Message(message(&retried).clone()), "17".to_owned());
    assert_eq!(worker.finish(&retried.claim, disposition).await, Finished::Done);
    let dead = State::Dead { died: fixture.clock.now(), reason: Some("17".to_owned()) };
    assert_eq!(fixture.place(&failing).await, (dead, None));
}

/// A message that is gone is nowhere, one of another queue as well; a store that looks by several calls leaves that open.
pub async fn a_look_shows_that_a_message_is_nowhere(fixture: &Fixture) {
    let (gone, mut elsewhere) = (fixture.message(1), look(&fixture.message(2)));
    fixture.enqueue(std::slice::from_ref(&gone)).await;
    let worker = fixture.worker().await;
    let claim = worker.fetch_one().await.claim;
    assert_eq!(worker.finish(&claim, Disposition::Ack).await, Finished::Done);
    let mut similar = fixture.message(3);
    similar.message_id = format!("{}#0badcafe", gone.message_id).as_str().into();
    fixture.enqueue(std::slice::from_ref(&similar)).await;
    elsewhere.queue = QueueName::canonical("elsewhere");
    elsewhere.id = similar.message_id.clone();
    for look in [look(&gone), elsewhere] {
        let looked = fixture.look(&look).await;
        assert_eq!(looked.kept, [None, None]);
        assert!(matches!(looked.place, Place::Nowhere | Place::Open), "{looked:?}");
    }
    assert_eq!(fixture.place(&similar).await.0, State::Ready { ahead: Some(0) });
}

/// In the order of the keys, whether the message is somewhere or not; its place is left open then.
pub async fn a_look_shows_what_is_kept_of_a_message(fixture: &Fixture) {
    let (worker, sent) = (fixture.worker().await, fixture.message(1));
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    let (look, claim) = (look(&sent), worker.fetch_one().await.claim);
    let early = Kept { key: look.keys[1].clone(), value: b"soon".to_vec(), ttl: TTL };
    assert_eq!(fixture.store.keep(&[early]).await, [Ok(())]);
    let looked = Looked { kept: vec![None, Some(b"soon".to_vec())], place: Place::Open };
    assert_eq!(fixture.look(&look).await, looked);
    let effects = vec![stored(&look.keys[0], b"42"), stored(&look.keys[1], b"done")];
    assert_eq!(worker.finish_with(&claim, Disposition::Ack, effects).await, Finished::Done);
    let looked = Looked { kept: vec![Some(b"42".to_vec()), Some(b"done".to_vec())], place: Place::Open };
    assert_eq!(fixture.look(&look).await, looked);
}

/// A message that ends just then, and leaves something, is still seen in its place, or what it leaves is.
pub async fn what_ends_during_a_look_is_in_its_place_or_kept(fixture: &Fixture) {
    let (worker, other) = (fixture.worker().await, (fixture.open)().await);
    for number in 0..ENDS {
        let sent = fixture.message(number);
        fixture.enqueue(std::slice::from_ref(&sent)).await;
        let (look, claim) = (look(&sent), worker.fetch_one().await.claim);
        let effects = vec![stored(&look.keys[0], b"42")];
        let looks = async {
            loop {
                let looked = other.look(&look).await.expect("a look");
                if looked.is_kept() {
                    break;
                }
                // Left open, it may have ended: that is for a second look to say.
                assert_ne!(looked.place, Place::Nowhere, "message {number}");
                tokio::task::yield_now().await;
            }
        };
        let ((), finished) = tokio::join!(looks, worker.finish_with(&claim, Disposition::Ack, effects));
        assert_eq!(finished, Finished::Done);
    }
}
