//! Files that must not be opened, and stay as they are.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

use rusqlite::Connection;

use crate::rig::{Rig, begin, send};

const PAGE: u64 = 4096;

/// A database with messages, which nobody has open.
fn filled() -> Rig {
    let rig = Rig::new();
    let broker = rig.open();
    broker.enqueue_blocking((0..500).map(begin).collect()).unwrap();
    drop(broker);
    rig.wait_until_closed();
    // Then all of it is in one file.
    let connection = rig.sqlite();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    rig
}

fn overwrite(rig: &Rig, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(rig.path()).unwrap().write_all_at(bytes, at).unwrap();
}

/// Copies the database away from all who have opened it.
fn copied() -> Rig {
    let (rig, copy) = (filled(), Rig::new());
    fs::copy(rig.path(), copy.path()).unwrap();
    copy
}

#[test]
fn a_copied_database_is_opened() {
    let rig = copied();
    let broker = rig.open();
    assert_eq!(rig.counts(&broker).ready, 500);
    send(&broker, begin(500)).unwrap();
}

#[test]
fn a_garbled_header_is_refused() {
    let rig = copied();
    overwrite(&rig, 0, &[0xa5; 100]);
    let refusal = rig.refusal();
    assert!(refusal.contains("not a database"), "{refusal}");
}

#[test]
fn a_garbled_page_is_refused() {
    let rig = copied();
    let pages = fs::metadata(rig.path()).unwrap().len() / PAGE;
    // Wherever it is, and whatever the page is for.
    for page in [1, 2, pages / 2, pages - 1] {
        let path = rig.path();
        let good = fs::read(&path).unwrap();
        overwrite(&rig, page * PAGE, &[0xa5; 4096]);
        let refusal = rig.refusal();
        assert!(refusal.contains("damaged"), "page {page}: {refusal}");
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let rig = copied();
    let length = fs::metadata(rig.path()).unwrap().len();
    OpenOptions::new().write(true).open(rig.path()).unwrap().set_len(length / 2).unwrap();
    let refusal = rig.refusal();
    assert!(refusal.contains("damaged"), "{refusal}");
}

#[test]
fn an_empty_file_beside_a_log_is_refused() {
    let rig = Rig::new();
    fs::write(rig.path(), "").unwrap();
    fs::write(rig.beside("-wal"), [1; 5000]).unwrap();
    let refusal = rig.refusal();
    assert!(refusal.contains("a log lies beside it"), "{refusal}");
    assert_eq!(fs::read(rig.beside("-wal")).unwrap(), [1; 5000]);
}

#[test]
fn an_empty_file_alone_becomes_a_database() {
    let rig = Rig::new();
    fs::write(rig.path(), "").unwrap();
    send(&rig.open(), begin(1)).unwrap();
}

#[test]
fn the_database_of_another_program_is_refused() {
    let rig = Rig::new();
    let other = Connection::open(rig.path()).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')").unwrap();
    drop(other);
    let refusal = rig.refusal();
    assert!(refusal.contains("the database of another program"), "{refusal}");
}

#[test]
fn text_is_refused() {
    let rig = Rig::new();
    fs::write(rig.path(), "Dear diary, this is no database.\n".repeat(500)).unwrap();
    let refusal = rig.refusal();
    assert!(refusal.contains("not a database"), "{refusal}");
}
