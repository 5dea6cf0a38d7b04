//! So many processes on one file that most of them wait for the lock at any time.

use std::collections::BTreeMap;

use tests::process::{PATIENCE, Process, eventually};

use crate::rig::{Rig, said};

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

/// How often each number was said by any of them.
fn times(processes: &[Process], word: &str) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for number in processes.iter().flat_map(|process| said(process, word)) {
        *times.entry(number).or_default() += 1;
    }
    times
}
