//! The memory store keeps the contract.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use common::clock::{Clock, Timestamp};
use common::conformance::Fixture;
use common::store::Inspect;
use common::stores::memory::MemoryStore;

async fn fixture() -> Fixture {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = MemoryStore::new(clock.clone());
    Fixture::new(clock, move || std::future::ready(Arc::new(store.clone()) as Arc<dyn Inspect>)).await
}

common::conformance_suite!(fixture);
