//! Who leaves is gone.

use common::clock::Clock;
use common::message::{Raw, option};
use common::queue_name::QueueName;
use common::store::Store as _;
use common::stores::sqlite::{SqliteStore, Synchronous};

use crate::rig::{Rig, begin};

/// More than one transaction of a beat moves.
const DUE: u32 = 5_000;

#[test]
fn a_beat_that_is_under_way_does_not_bring_back_a_worker_that_leaves() {
    let rig = Rig::new();
    let clock = Clock::manual(Clock::system().now());
    let store = SqliteStore::open(&rig.path(), Synchronous::Normal, "dramatiq", clock.clone()).unwrap();
    let queue = QueueName::default();
    rig.wait_for(async {
        let worker = store.join(std::slice::from_ref(&queue)).await.unwrap();
        let due = clock.now().as_millis() + 1;
        let delayed = |number| {
            let mut message = begin(number);
            message.options.set(option::ETA, Raw::from(due));
            message
        };
        store.enqueue(&(0..DUE).map(delayed).collect::<Vec<_>>()).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        let (beat, left) = tokio::join!(biased; store.beat(&worker, &[], &[]), store.leave(&worker));
        assert_eq!(beat.unwrap().moved, DUE as usize);
        left.unwrap();
    });
    let left: i64 = rig.sqlite().query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "a worker that is gone is registered");
}
