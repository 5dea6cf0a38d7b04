//! The store in a SQLite file keeps the contract.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use common::clock::{Clock, Timestamp};
use common::conformance::Fixture;
use common::message::{Message, MessageId};
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, DEAD_AFTER, FetchRequest, Inspect, Store as _};
use common::stores::sqlite::{SqliteStore, Synchronous};

/// A file of its own; each opening is another connection, as another process would have it.
async fn fixture() -> Fixture {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let folder = tempfile::tempdir().unwrap();
    Fixture::new(clock.clone(), move || {
        let path = folder.path().join("tasks.db");
        let store = SqliteStore::open(&path, Synchronous::Normal, "dramatiq", clock.clone()).unwrap();
        std::future::ready(Arc::new(store) as Arc<dyn Inspect>)
    })
    .await
}

common::conformance_suite!(fixture);

#[tokio::test]
async fn what_a_dead_worker_has_claimed_one_by_one_comes_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store =
        SqliteStore::open(&folder.path().join("tasks.db"), Synchronous::Normal, "dramatiq", clock.clone()).unwrap();
    let queue = QueueName::default();
    let message =
        |id: &str| Message { message_id: MessageId::from(id), ..Message::new(queue.clone(), "work", [], clock.now()) };
    let sent = ["one", "two", "three", "four"];
    store.enqueue(&sent.map(message)).await.unwrap();
    let dead = store.register(std::slice::from_ref(&queue)).await.unwrap();
    for _ in sent {
        store.fetch(&dead, &[FetchRequest { queue: queue.clone(), count: 1, before: None }], usize::MAX).await.unwrap();
    }
    let survivor = store.register(std::slice::from_ref(&queue)).await.unwrap();
    for _ in 0..=DEAD_AFTER {
        clock.advance(BEAT_INTERVAL);
        store.beat(&survivor, &[], &[]).await.unwrap();
    }
    let fetched = store
        .fetch(&survivor, &[FetchRequest { queue: queue.clone(), count: 9, before: None }], usize::MAX)
        .await
        .unwrap();
    let ids: Vec<_> = fetched.deliveries.iter().map(|found| found.body.as_ref().unwrap().message_id.as_str()).collect();
    assert_eq!(ids, sent);
}
