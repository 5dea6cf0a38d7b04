//! The store in a SQLite file keeps the contract.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use common::clock::{Clock, Timestamp};
use common::conformance::Fixture;
use common::store::Inspect;
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
