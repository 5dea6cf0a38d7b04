//! Files that are moved, replaced or deleted while they are open.

use std::fs;
use std::path::Path;

use common::broker::Broker;
use common::error::{EnqueueError, StoreError};

use crate::rig::{Rig, begin, send};

const SENTENCE: &str = "moved, replaced or deleted while it was open";

fn open_with_a_message() -> (Rig, Broker) {
    let rig = Rig::new();
    let broker = rig.open();
    send(&broker, begin(1)).unwrap();
    (rig, broker)
}

fn assert_refuses(broker: &Broker, file: &Path) {
    // It does not get better.
    for _ in 0..2 {
        let error = send(broker, begin(2)).unwrap_err();
        let EnqueueError::NotStored { stored: 0, cause: StoreError::Refused(cause) } = error else {
            panic!("{error:?}");
        };
        assert!(cause.contains(SENTENCE) && cause.contains(&file.display().to_string()), "{cause}");
    }
}

#[test]
fn nothing_is_written_once_the_log_is_deleted() {
    let (rig, broker) = open_with_a_message();
    fs::remove_file(rig.beside("-wal")).unwrap();
    assert_refuses(&broker, &rig.beside("-wal"));
    assert!(!rig.beside("-wal").exists());
}

#[test]
fn nothing_is_written_once_the_index_of_the_log_is_deleted() {
    let (rig, broker) = open_with_a_message();
    fs::remove_file(rig.beside("-shm")).unwrap();
    assert_refuses(&broker, &rig.beside("-shm"));
}

#[test]
fn nothing_is_written_once_the_database_is_moved() {
    let (rig, broker) = open_with_a_message();
    fs::rename(rig.path(), rig.folder().join("moved.db")).unwrap();
    let log = fs::read(rig.beside("-wal")).unwrap();
    assert_refuses(&broker, &rig.path());
    assert!(!rig.path().exists());
    assert!(fs::read(rig.beside("-wal")).unwrap() == log, "something was written");
}

#[test]
fn nothing_is_written_to_a_database_that_has_taken_the_place() {
    let (rig, broker) = open_with_a_message();
    let other = Rig::new();
    drop(other.open());
    other.wait_until_closed();
    fs::copy(other.path(), rig.folder().join("new.db")).unwrap();
    fs::rename(rig.folder().join("new.db"), rig.path()).unwrap();
    let before = fs::read(rig.path()).unwrap();
    assert_refuses(&broker, &rig.path());
    assert!(fs::read(rig.path()).unwrap() == before, "the new file was changed");
}

#[test]
fn a_worker_says_that_its_database_is_gone() {
    let rig = Rig::new();
    let worker = rig.worker();
    fs::rename(rig.path(), rig.folder().join("moved.db")).unwrap();
    worker.wait_for_line(SENTENCE);
}
