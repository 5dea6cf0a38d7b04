//! What people do to a database with SQLite's own tools.

use std::fs;

use common::broker::Broker;
use rusqlite::Connection;

use crate::rig::{Rig, begin, send};

fn mode(connection: &Connection, mode: &str) -> rusqlite::Result<String> {
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))
}

/// Each message still runs.
fn assert_goes_on(rig: &Rig, broker: &Broker, number: u32) {
    send(broker, begin(number)).unwrap();
    rig.settle(broker);
}

#[test]
fn vacuum_and_backup_amid_work_harm_nothing() {
    let rig = Rig::new();
    let broker = rig.open();
    let _worker = rig.quiet_worker();
    assert_goes_on(&rig, &broker, 1);
    let sqlite = rig.sqlite();
    sqlite.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    sqlite.execute_batch("VACUUM").unwrap();
    assert_goes_on(&rig, &broker, 2);
    let copy = Rig::new();
    sqlite.execute("VACUUM INTO ?", [copy.path().to_str().unwrap()]).unwrap();
    assert_goes_on(&rig, &broker, 3);
    rig.assert_is_whole();
    // The worker that was registered in the copy lives elsewhere; here it is found dead.
    let restored = copy.open();
    let _worker = copy.quiet_worker();
    assert_goes_on(&copy, &restored, 4);
    copy.assert_is_whole();
}

#[test]
fn the_journal_mode_cannot_be_changed_amid_work_and_is_set_right_after_it() {
    let rig = Rig::new();
    let broker = rig.open();
    send(&broker, begin(1)).unwrap();
    let sqlite = rig.sqlite();
    assert!(!matches!(mode(&sqlite, "DELETE"), Ok(mode) if mode == "delete"), "others have it open");
    assert_eq!(rig.counts(&broker).ready, 1);
    drop((sqlite, broker));
    rig.wait_until_closed();
    // A copy, which surely nobody has open.
    let copy = Rig::new();
    fs::copy(rig.path(), copy.path()).unwrap();
    if rig.beside("-wal").exists() {
        fs::copy(rig.beside("-wal"), copy.beside("-wal")).unwrap();
    }
    assert_eq!(mode(&copy.sqlite(), "DELETE").unwrap(), "delete");
    let broker = copy.open();
    assert_eq!(copy.counts(&broker).ready, 1);
    assert_eq!(mode(&copy.sqlite(), "WAL").unwrap(), "wal");
    send(&broker, begin(2)).unwrap();
    copy.assert_is_whole();
}
