//! What a power cut leaves: the files as they were at some moment, the log perhaps without its end.

use std::fs::{self, OpenOptions};

use common::broker::Broker;
use tests::process::{PATIENCE, eventually};

use crate::rig::{Rig, assert_is_whole, said};

const BATCH: u32 = 5;

/// The numbers that are stored, in their order.
fn stored(rig: &Rig, broker: &Broker) -> Vec<u32> {
    let sqlite = rig.sqlite();
    let mut numbers = sqlite.prepare("SELECT CAST(body AS TEXT) ->> '$.args[0]' FROM messages ORDER BY seq").unwrap();
    let numbers: Vec<u32> = numbers.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rig.counts(broker).ready, numbers.len());
    numbers
}

/// Opens a copy, which must be a prefix of what was sent, in whole batches; tells its length.
fn opens_as_prefix(copy: &Rig) -> u32 {
    let broker = copy.open();
    let numbers = stored(copy, &broker);
    let length = u32::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (0..length).collect::<Vec<_>>(), "no prefix");
    assert_eq!(length % BATCH, 0, "half a batch");
    assert_is_whole(&copy.path());
    length
}

fn copy_of(rig: &Rig) -> Rig {
    let copy = Rig::new();
    for suffix in ["", "-wal"] {
        fs::copy(rig.beside(suffix), copy.beside(suffix)).unwrap();
    }
    copy
}

#[test]
fn files_copied_at_any_moment_hold_all_that_was_acknowledged() {
    let rig = Rig::new();
    let sender = rig.sender(0, 1_000_000, BATCH);
    for moment in 1..=12 {
        let enough = eventually(PATIENCE, || (said(&sender, "stored").len() > moment * 40).then_some(()));
        assert!(enough.is_some(), "{sender}");
        // Stopped wherever it is, also between two writes of one commit.
        let acknowledged = said(&sender, "stored").len();
        sender.suspend();
        let copy = copy_of(&rig);
        sender.resume();
        let length = opens_as_prefix(&copy);
        assert!(length >= u32::try_from(acknowledged).unwrap() * BATCH, "{length} of {acknowledged} batches");
    }
}

#[test]
fn a_log_without_its_end_holds_a_prefix() {
    let rig = Rig::new();
    // So few that the log is never worked into the database: what it lacks then is what a disk had not got yet.
    let sender = rig.sender(0, 200 * BATCH, BATCH);
    let all = eventually(PATIENCE, || (said(&sender, "stored").len() > 40).then_some(()));
    assert!(all.is_some(), "{sender}");
    sender.suspend();
    let length = fs::metadata(rig.beside("-wal")).map_or(0, |log| log.len());
    assert!(length > 0, "the sender has ended before it was stopped\n{sender}");
    let mut lengths = Vec::new();
    for step in 0..=20 {
        let copy = copy_of(&rig);
        // Odd, so that most end inside of a page.
        let end = length * step / 20 + if step % 20 == 0 { 0 } else { 7 };
        OpenOptions::new().write(true).open(copy.beside("-wal")).unwrap().set_len(end).unwrap();
        lengths.push(opens_as_prefix(&copy));
    }
    assert!(lengths.is_sorted(), "{lengths:?}");
    assert!(lengths[0] == 0 && *lengths.last().unwrap() > 40 * BATCH, "{lengths:?}");
}
