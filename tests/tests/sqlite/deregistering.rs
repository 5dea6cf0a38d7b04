//! Who leaves is gone.

use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::error::StoreError;
use common::message::{Raw, option};
use common::queue_name::QueueName;
use common::store::Store as _;
use common::stores::sqlite::{SqliteStore, Synchronous};

use crate::rig::{Rig, begin};

/// As long as a call may take is far more.
const MOMENT: Duration = Duration::from_secs(1);

/// More than one transaction of a beat moves.
const DUE: u32 = 5_000;

#[test]
fn a_beat_that_is_under_way_does_not_bring_back_a_worker_that_leaves() {
    let rig = Rig::new();
    let clock = Clock::manual(Clock::system().now());
    let store = SqliteStore::open(&rig.path(), Synchronous::Normal, "dramatiq", clock.clone()).unwrap();
    let queue = QueueName::default();
    rig.wait_for(async {
        let worker = store.register(std::slice::from_ref(&queue)).await.unwrap();
        let due = clock.now().as_millis() + 1;
        let delayed = |number| {
            let mut message = begin(number);
            message.options.set(option::ETA, Raw::from(due));
            message
        };
        store.enqueue(&(0..DUE).map(delayed).collect::<Vec<_>>()).await.unwrap();
        clock.advance(Duration::from_secs(1));
        let (beat, left) = tokio::join!(biased; store.beat(&worker, &[], &[]), store.deregister(&worker));
        assert_eq!(beat.unwrap().moved, DUE as usize);
        left.unwrap();
    });
    let left: i64 = rig.sqlite().query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "a worker that is gone is registered");
}

#[test]
fn a_worker_that_leaves_while_its_beat_waits_in_vain_for_the_lock_does_not_wait_for_it_again() {
    let rig = Rig::new();
    let store = SqliteStore::open(&rig.path(), Synchronous::Normal, "dramatiq", Clock::system()).unwrap();
    let worker = rig.wait_for(store.register(&[QueueName::default()])).unwrap();
    let other = rig.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ((beaten, failed), left) = rig.wait_for(async {
        tokio::join!(
            biased;
            async { (store.beat(&worker, &[], &[]).await.unwrap_err(), Stopwatch::start()) },
            store.deregister(&worker),
        )
    });
    assert!(matches!(beaten, StoreError::Busy(_)), "{beaten}");
    assert_eq!(left, Err(beaten));
    assert!(failed.elapsed() < MOMENT, "{:?}", failed.elapsed());
}
