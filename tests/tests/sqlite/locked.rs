//! Others who write, or read, for too long.

use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::error::{EnqueueError, StoreError};
use common::message::Raw;

use tests::process::{PATIENCE, eventually};
use tests::queue::message;

use crate::rig::{Rig, begin, send};

#[test]
fn a_send_says_for_how_long_another_has_held_the_lock() {
    let rig = Rig::new();
    let broker = rig.open();
    let stopped = rig.stopped_writer();
    let started = Stopwatch::start();
    let error = send(&broker, begin(1)).unwrap_err();
    let took = started.elapsed();
    let EnqueueError::NotStored { stored: 0, cause: StoreError::Busy(cause) } = error else { panic!("{error:?}") };
    assert!(cause.contains("has held the write lock") && cause.contains(" for 5."), "{cause}");
    assert!((4..8).contains(&took.as_secs()), "{took:?}");
    stopped.kill();
    send(&broker, begin(1)).unwrap();
    assert_eq!(rig.counts(&broker).ready, 1);
}

#[test]
fn a_worker_goes_on_once_the_lock_is_released() {
    let rig = Rig::new();
    let broker = rig.open();
    let worker = rig.worker();
    send(&broker, message("nap", [Raw::from(1_u32)])).unwrap();
    worker.wait_for_line("attempt 1 starts");
    let stopped = rig.stopped_writer();
    worker.wait_for_line("done in");
    worker.wait_for_line("has held the write lock");
    assert_eq!(rig.counts(&broker).claimed, 1, "it cannot be acknowledged yet");
    stopped.kill();
    rig.settle(&broker);
    send(&broker, message("nap", [Raw::from(0_u32)])).unwrap();
    rig.settle(&broker);
    let starts = || worker.lines().iter().filter(|line| line.contains("attempt 1 starts")).count();
    // What it says may be read a moment after the store knows of it.
    let _ = eventually(PATIENCE, || (starts() >= 2).then_some(()));
    assert_eq!(starts(), 2, "each ran once\n{worker}");
}

#[test]
fn a_reader_that_lets_the_log_grow_is_told_of() {
    const LARGE: usize = 700_000;
    let rig = Rig::new();
    let broker = rig.open();
    let worker = rig.worker();
    let reader = rig.sqlite();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap();
    let text = "x".repeat(LARGE);
    // More than 64 MiB, which nobody runs today.
    for _ in 0..110 {
        let mut large = message("nap", [Raw::from(text.as_str())]);
        large.set_eta(Some(Clock::system().now() + Duration::from_secs(3_600)));
        send(&broker, large).unwrap();
    }
    worker.wait_for_line("some process reads the database for a long time");
    reader.execute_batch("COMMIT").unwrap();
    let log = || std::fs::metadata(rig.beside("-wal")).unwrap().len();
    let cut_off = eventually(PATIENCE, || (log() < 4 << 20).then_some(()));
    assert!(cut_off.is_some(), "the log still has {} bytes", log());
}
