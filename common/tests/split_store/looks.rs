//! A look at a message whose results lie elsewhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::clock::{Clock, Timestamp};
use common::message::Message;
use common::queue_name::QueueName;
use common::store::{
    Claim, Completion, Delegated, Disposition, FetchRequest, Inspect, Kept, Look, Looked, Place, Registration, State,
    Store, delegate,
};
use common::stores::memory::MemoryStore;
use common::stores::split::SplitStore;

/// A store in which a message ends just before it is looked for, as a worker ends it: what is kept of it is kept first.
#[derive(Debug)]
struct Ending {
    store: MemoryStore,
    results: MemoryStore,
    end: Mutex<Option<(Registration, Completion, Kept)>>,
}

impl Store for Ending {
    delegate!(Store to self.store);
}

impl Inspect for Ending {
    delegate!(Inspect to self.store, except [look]);

    fn look<'a>(&'a self, look: &'a Look) -> Delegated<'a, Looked> {
        let end = self.end.lock().unwrap().take();
        Box::pin(async move {
            if let Some((registration, completion, kept)) = end {
                self.results.keep(&[kept]).await.remove(0)?;
                self.store.finish(&registration, &[completion]).await?;
            }
            self.store.look(look).await
        })
    }
}

#[tokio::test]
async fn what_ends_between_two_looks_is_seen_by_what_is_kept_of_it() {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let (store, results) = (MemoryStore::new(clock.clone()), MemoryStore::new(clock.clone()));
    let queues = Arc::new(Ending { store, results: results.clone(), end: Mutex::default() });
    let whole = SplitStore::new(queues.clone()).with_results(Arc::new(results));
    let sent = Message::new(QueueName::default(), "work", [], clock.now());
    let look = Look {
        queue: QueueName::default(),
        id: sent.message_id.clone(),
        keys: vec!["result".to_owned(), "mark".to_owned()],
        told_under: "told:".to_owned(),
    };
    let nothing = vec![None, None];
    assert_eq!(whole.look(&look).await, Ok(Looked { kept: nothing.clone(), place: Place::Nowhere }));
    whole.enqueue(&[sent]).await.unwrap();
    let registration = whole.register(&[QueueName::default()]).await.unwrap();
    let requests = [FetchRequest { queue: QueueName::default(), count: 1, before: None }];
    let claim: Claim = whole.fetch(&registration, &requests, 1).await.unwrap().deliveries.remove(0).claim;

    // What a worker tells is kept where results are.
    let worker = registration.worker.as_str().to_owned();
    let kept = |key: &str| Kept { key: key.to_owned(), value: b"42".to_vec(), ttl: Duration::from_secs(60) };
    assert_eq!(whole.keep(&[kept(&look.told_by(&worker))]).await, [Ok(())]);
    let looked = whole.look(&look).await.unwrap();
    let Place::At { state, told, .. } = looked.place else { panic!("{looked:?}") };
    assert_eq!(state, State::Claimed { worker, cancelled: false });
    assert_eq!((looked.kept, told), (nothing, Some(b"42".to_vec())));

    let completion = Completion { claim, disposition: Disposition::Ack, effects: Vec::new() };
    *queues.end.lock().unwrap() = Some((registration, completion, kept("result")));
    let looked = Looked { kept: vec![Some(b"42".to_vec()), None], place: Place::Open };
    assert_eq!(whole.look(&look).await, Ok(looked.clone()));
    assert_eq!(whole.look(&look).await, Ok(looked));
}
