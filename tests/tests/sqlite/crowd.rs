//! Very many workers on one file: so many that most of them wait for the lock at any time, or that died together.

use std::collections::BTreeMap;

use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::{FetchRequest, Store as _};
use common::stores::sqlite::{SqliteStore, Synchronous};
use tests::process::{PATIENCE, Process, TEN_SECONDS, eventually};

use crate::rig::{Rig, begin, said};

const WORKERS: usize = 50;
const SENDERS: u32 = 4;
const EACH: u32 = 400;

#[test]
fn fifty_workers_run_each_message_once_and_all_of_them_stay_alive() {
    let rig = Rig::new();
    let broker = rig.open();
    let workers: Vec<_> = (0..WORKERS).map(|_| rig.quiet_worker_starting()).collect();
    for worker in &workers {
        worker.wait_for_line("ready");
    }
    let senders: Vec<_> = (0..SENDERS).map(|number| rig.sender(number * EACH, EACH, 5)).collect();
    for sender in &senders {
        assert!(sender.wait().success(), "{sender}");
    }
    rig.settle(&broker);
    let all = usize::try_from(SENDERS * EACH).unwrap();
    // What was said last may still be on its way.
    let read = eventually(PATIENCE, || (times(&workers, "ran").len() == all).then_some(()));
    assert!(read.is_some(), "{} of {all} ran", times(&workers, "ran").len());
    // Who is taken for dead is robbed, and what it ran begins once more.
    let again: Vec<_> = times(&workers, "begins").into_iter().filter(|(_, times)| *times > 1).collect();
    assert_eq!(again, [], "number, times");
    // Nobody was taken off: each still beats.
    let left: i64 = rig.sqlite().query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(left).unwrap(), WORKERS);
    rig.assert_is_whole();
}

/// So many die together.
const DEAD: u32 = 1_000;

/// Workers that claim a message each, and show no sign of life after that.
async fn claim_and_die(store: SqliteStore) {
    let queue = [QueueName::default()];
    let messages: Vec<_> = (0..DEAD).map(begin).collect();
    store.enqueue(&messages).await.unwrap();
    for _ in 0..DEAD {
        let worker = store.register(&queue).await.unwrap();
        let want = FetchRequest { queue: QueueName::default(), count: 1, before: None };
        let fetched = store.fetch(&worker, &[want], 1).await.unwrap();
        assert_eq!(fetched.deliveries.len(), 1);
    }
}

#[test]
fn all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds() {
    let rig = Rig::new();
    let store = SqliteStore::open(&rig.path(), Synchronous::Normal, "dramatiq", Clock::system()).unwrap();
    rig.wait_for(claim_and_die(store));
    // It took a while to start them all: they die at the same moment, after a last beat.
    let now = Clock::system().now().as_millis();
    let died = Stopwatch::start();
    let beaten = rig.sqlite().execute("UPDATE workers SET beat = ?", [now]).unwrap();
    assert_eq!(beaten, usize::try_from(DEAD).unwrap());
    let survivor = rig.quiet_worker();
    let over = eventually(PATIENCE, || (said(&survivor, "ran").len() >= DEAD as usize).then_some(()));
    let took = died.elapsed();
    assert!(over.is_some(), "{} of {DEAD} ran", said(&survivor, "ran").len());
    assert!(took < TEN_SECONDS, "{took:?}");
    rig.settle(&rig.open());
    let mut ran = said(&survivor, "ran");
    ran.sort_unstable();
    assert!(ran.into_iter().eq(0..DEAD), "each once");
    let left: i64 = rig.sqlite().query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the dead are taken off");
    rig.assert_is_whole();
}

/// How often each number was said by any of them.
fn times(processes: &[Process], word: &str) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for number in processes.iter().flat_map(|process| said(process, word)) {
        *times.entry(number).or_default() += 1;
    }
    times
}
