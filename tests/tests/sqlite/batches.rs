//! Batches of all sizes.

use std::collections::BTreeMap;

use common::clock::Clock;
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{Completion, Disposition, FetchRequest, Store as _};
use common::stores::sqlite::{SqliteStore, Synchronous};

use tests::queue::message;

use crate::rig::{Rig, begin};

const MANY: usize = 100_000;
const LARGE: usize = 200_000;

/// What one fetch brings at most, or one message.
const FETCHED: usize = 4 << 20;

#[test]
fn batches_of_none_of_very_many_and_of_large_messages_are_stored() {
    let rig = Rig::new();
    let broker = rig.open();
    broker.enqueue_blocking(Vec::new()).unwrap();
    assert_eq!(rig.counts(&broker).ready, 0);
    broker.enqueue_blocking((0..u32::try_from(MANY).unwrap()).map(begin).collect()).unwrap();
    assert_eq!(rig.counts(&broker).ready, MANY);
    let text = "x".repeat(LARGE);
    broker.enqueue_blocking((0..300).map(|_| message("large", [Raw::from(text.as_str())])).collect()).unwrap();
    assert_eq!(rig.counts(&broker).ready, MANY + 300);
    rig.assert_is_whole();
}

#[test]
fn one_fetch_brings_four_megabytes_of_all_queues_together_or_one_message() {
    const EACH: usize = 3;
    let rig = Rig::new();
    let store = SqliteStore::open(&rig.path(), Synchronous::Normal, "dramatiq", Clock::system()).unwrap();
    let queues = ["a", "b", "c", "d"].map(QueueName::canonical);
    let requests: Vec<_> =
        queues.iter().map(|queue| FetchRequest { queue: queue.clone(), count: 24, before: None }).collect();
    let mut sent = BTreeMap::<QueueName, Vec<Message>>::new();
    for (at, queue) in queues.iter().enumerate() {
        let size = if at % 2 == 0 { FETCHED + 1 } else { FETCHED / 3 };
        let text = Raw::from("x".repeat(size).as_str());
        let of_queue = |_| Message { queue_name: queue.clone(), ..message("large", [text.clone()]) };
        sent.insert(queue.clone(), (0..EACH).map(of_queue).collect());
    }
    rig.wait_for(async {
        store.enqueue(&sent.values().flatten().cloned().collect::<Vec<_>>()).await.unwrap();
        let worker = store.register(&queues).await.unwrap();
        let mut found = BTreeMap::<QueueName, Vec<Message>>::new();
        for left in (0..queues.len() * EACH).rev() {
            let fetched = store.fetch(&worker, &requests, 24).await.unwrap();
            let bodies: Vec<_> = fetched.deliveries.iter().map(|one| one.body.clone().unwrap()).collect();
            let bytes: usize = bodies.iter().map(|body| body.encode().len()).sum();
            assert!(bodies.len() == 1 || bytes <= FETCHED, "{bytes} bytes at once");
            assert!(!bodies.is_empty() || found == sent, "nothing comes any more, {left} of them before the last");
            for body in bodies {
                found.entry(body.queue_name.clone()).or_default().push(body);
            }
            assert!(fetched.more || found == sent, "it stops before all have come");
            let gone = |claim| Completion { claim, disposition: Disposition::Ack, effects: Vec::new() };
            let completions: Vec<_> = fetched.deliveries.into_iter().map(|one| gone(one.claim)).collect();
            store.finish(&worker, &completions).await.unwrap();
        }
        assert!(found == sent, "all came, and in their order");
    });
}
