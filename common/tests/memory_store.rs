//! The memory store keeps the contract.
#![cfg(feature = "conformance")]

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock, Stopwatch, Timestamp};
use common::conformance::{self, Fixture};
use common::message::{Message, MessageId};
use common::queue_name::QueueName;
use common::store::{Body, Completion, Disposition, Effect, FetchRequest, Inspect, Store, delegate};
use common::stores::memory::MemoryStore;

async fn fixture() -> Fixture {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = MemoryStore::new(clock.clone());
    Fixture::new(clock, move || std::future::ready(Arc::new(store.clone()) as Arc<dyn Inspect>)).await
}

common::conformance_suite!(fixture);

/// A store around it that changes nothing keeps the contract as well.
mod wrapped {
    use super::*;

    #[derive(Debug)]
    struct Wrapper(MemoryStore);

    impl Store for Wrapper {
        delegate!(Store to self.0);
    }

    impl Inspect for Wrapper {
        delegate!(Inspect to self.0);
    }

    async fn fixture() -> Fixture {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let store = MemoryStore::new(clock.clone());
        Fixture::new(clock, move || std::future::ready(Arc::new(Wrapper(store.clone())) as Arc<dyn Inspect>)).await
    }

    common::conformance_suite!(fixture);
}

/// What the trait makes of a store's other methods is as good.
mod provided {
    use super::*;

    #[derive(Debug)]
    struct Plain(MemoryStore);

    impl Store for Plain {
        delegate!(Store to self.0);
    }

    impl Inspect for Plain {
        delegate!(Inspect to self.0, except [get, look, stored_all, wait_stored]);
    }

    #[tokio::test]
    async fn a_store_without_looks_of_its_own_looks_by_one_call_after_another() {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let fixture = async || {
            let (store, clock) = (MemoryStore::new(clock.clone()), clock.clone());
            Fixture::new(clock, move || std::future::ready(Arc::new(Plain(store.clone())) as Arc<dyn Inspect>)).await
        };
        conformance::a_look_shows_where_a_message_is(&fixture().await).await;
        conformance::a_look_shows_that_a_message_is_nowhere(&fixture().await).await;
        conformance::a_look_shows_what_is_kept_of_a_message(&fixture().await).await;
        conformance::what_ends_during_a_look_is_in_its_place_or_kept(&fixture().await).await;
        conformance::waiting_for_a_result_ends_when_it_is_stored(&fixture().await).await;
    }
}

/// So many that it takes minutes when each looks at all others.
const MANY: usize = 60_000;

/// It takes a second or two; the rest is for a busy machine.
const FLAT: Duration = Duration::from_secs(40);

#[tokio::test]
async fn results_dead_letters_and_cancelled_messages_take_no_longer_when_there_are_many() {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = MemoryStore::new(clock.clone());
    let queue = QueueName::default();
    let message = |number: usize| Message {
        message_id: MessageId::from(number.to_string().as_str()),
        ..Message::new(queue.clone(), "work", [], clock.now())
    };
    let watch = Stopwatch::start();
    store.enqueue(&(0..MANY).map(message).collect::<Vec<_>>()).await.expect("room");
    for number in (0..MANY).rev().step_by(3) {
        let was_there = store.cancel(&queue, &number.to_string(), "by hand").await.expect("it is asked");
        assert!(was_there.is_some());
    }
    let registration = store.register(std::slice::from_ref(&queue)).await.expect("room");
    let requests = [FetchRequest { queue: queue.clone(), count: MANY, before: None }];
    let mut more = true;
    while more {
        let fetched = store.fetch(&registration, &requests, MANY).await.expect("registered");
        more = fetched.more;
        for delivery in fetched.deliveries {
            let message = delivery.body.expect("a message");
            let key = message.message_id.to_string();
            let result = Effect::Store { key, value: vec![1], ttl: Duration::from_secs(60) };
            let disposition = Disposition::DeadLetter(Body::Message(message), "too late".to_owned());
            let completion = Completion { claim: delivery.claim, disposition, effects: vec![result] };
            store.finish(&registration, &[completion]).await.expect("it is asked");
        }
    }
    assert_eq!(store.counts(&queue).await.expect("it is asked").dead, MANY);
    assert!(watch.elapsed() < FLAT, "{:?}", watch.elapsed());
}
