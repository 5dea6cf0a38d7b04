//! kill -9 of senders and workers, and many of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::clock::Stopwatch;
use common::message::Raw;
use tests::process::{FIVE_SECONDS, PATIENCE, Process, eventually};
use tests::queue::message;

use crate::rig::{Rig, said, send};

const ROUNDS: u32 = 5;

/// So many that no sender ends before it is killed.
const MANY: u32 = 100_000;
const BATCH: u32 = 10;

fn wait_for_count(process: &Process, word: &str, count: usize) {
    let seen = eventually(PATIENCE, || (said(process, word).len() >= count).then_some(()));
    assert!(seen.is_some(), "not {count} times `{word}`\n{process}");
}

/// How often each number was said by any of them.
fn times(processes: &[Process], word: &str) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for number in processes.iter().flat_map(|process| said(process, word)) {
        *times.entry(number).or_default() += 1;
    }
    times
}

#[test]
fn kills_lose_no_acknowledged_message_and_leave_no_half_batch() {
    let rig = Rig::new();
    let (mut senders, mut workers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let worker = rig.quiet_worker();
        let sender = rig.sender(round * MANY, MANY, BATCH);
        // Each round ends elsewhere.
        wait_for_count(&sender, "stored", 3 + 2 * usize::try_from(round).unwrap());
        wait_for_count(&worker, "begins", 5);
        if round % 2 == 0 {
            sender.kill();
            worker.kill();
        } else {
            worker.kill();
            sender.kill();
        }
        sender.wait();
        worker.wait();
        assert_eq!(sender.ended().and_then(|status| status.code()), None, "it was to be killed\n{sender}");
        rig.assert_is_whole();
        senders.push(sender);
        workers.push(worker);
    }
    workers.push(rig.quiet_worker());
    let broker = rig.open();
    rig.settle(&broker);
    let last = workers.last().unwrap();
    last.kill();
    last.wait();
    let ran = times(&workers, "ran");
    let ran: BTreeSet<u32> = ran.into_keys().collect();
    // All that the worker says last is read before it ends, so what ran is what was said.
    let batches: BTreeSet<u32> = ran.iter().map(|number| number / BATCH * BATCH).collect();
    for from in &batches {
        assert!((*from..from + BATCH).all(|number| ran.contains(&number)), "half of the batch {from} ran");
    }
    let acknowledged = senders.iter().flat_map(|sender| said(sender, "stored"));
    for from in acknowledged {
        assert!(batches.contains(&from), "{from} was acknowledged, and lost");
    }
    rig.assert_is_whole();
}

#[test]
fn the_message_of_a_killed_worker_runs_on_another_within_five_seconds() {
    let rig = Rig::new();
    let broker = rig.open();
    let victim = rig.worker();
    send(&broker, message("nap", [Raw::from(1_u32)])).unwrap();
    victim.wait_for_line("attempt 1 starts");
    let survivor = rig.worker();
    victim.kill();
    let died = Stopwatch::start();
    survivor.wait_for_line("attempt 1 starts");
    let took: Duration = died.elapsed();
    assert!(took < FIVE_SECONDS, "after {took:?}\n{survivor}");
    rig.settle(&broker);
    assert!(!victim.lines().iter().any(|line| line.contains("done in")), "{victim}");
}

#[test]
fn each_message_runs_once_with_many_senders_and_workers_on_one_file() {
    const EACH: u32 = 400;
    const SENDERS: u32 = 3;
    let rig = Rig::new();
    let workers: Vec<_> = (0..3).map(|_| rig.quiet_worker()).collect();
    let senders: Vec<_> = (0..SENDERS).map(|number| rig.sender(number * EACH, EACH, 1 + number)).collect();
    for sender in &senders {
        assert!(sender.wait().success(), "{sender}");
    }
    let broker = rig.open();
    rig.settle(&broker);
    // What was said last may still be on its way.
    let all = usize::try_from(EACH * SENDERS).unwrap();
    let read = eventually(PATIENCE, || (times(&workers, "ran").len() == all).then_some(()));
    assert!(read.is_some(), "{} of {all} ran", times(&workers, "ran").len());
    let again: Vec<_> = times(&workers, "begins").into_iter().filter(|(_, times)| *times > 1).collect();
    assert_eq!(again, [], "number, times");
    rig.assert_is_whole();
}
