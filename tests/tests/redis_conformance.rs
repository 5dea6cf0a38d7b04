//! The Redis store keeps the contract.

use std::sync::Arc;

use common::clock::{Clock, Timestamp};
use common::conformance::Fixture;
use common::store::Inspect;

async fn fixture() -> Fixture {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let open = {
        let clock = clock.clone();
        move || {
            let (url, namespace, clock) = (url.clone(), namespace.clone(), clock.clone());
            async move { Arc::new(tests::redis::store(&url, &namespace, &clock).await) as Arc<dyn Inspect> }
        }
    };
    Fixture::new(clock, open).await
}

common::conformance_suite!(fixture);
