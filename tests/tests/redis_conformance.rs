//! The Redis store keeps the contract.

use std::sync::Arc;

use common::clock::{Clock, Timestamp};
use common::conformance::Fixture;
use common::store::Inspect;
use common::stores::redis::RedisStore;

async fn fixture() -> Fixture {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let open = {
        let clock = clock.clone();
        move || {
            let (url, namespace, clock) = (url.clone(), namespace.clone(), clock.clone());
            async move {
                let store = RedisStore::connect(&url, &namespace, clock).await.expect("the Redis of the tests");
                Arc::new(store) as Arc<dyn Inspect>
            }
        }
    };
    Fixture::new(clock, open).await
}

common::conformance_suite!(fixture);
