//! Files of other versions, and several who make one at once.

use std::collections::BTreeSet;

use common::store::Counts;
use rusqlite::Connection;
use tests::process::{PATIENCE, eventually};

use crate::rig::{Rig, begin, said, send};

/// What the tables of a database are, in SQLite's own words.
fn tables(connection: &Connection) -> BTreeSet<(String, Option<String>)> {
    let mut all = connection.prepare("SELECT name, sql FROM sqlite_schema").unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date_with_all_its_messages() {
    let rig = Rig::new();
    rig.sqlite().execute_batch(include_str!("first_version.sql")).unwrap();
    let broker = rig.open();
    assert_eq!(rig.counts(&broker), Counts { ready: 2, delayed: 2, claimed: 2, dead: 1 });
    let new = Rig::new();
    drop(new.open());
    assert_eq!(tables(&rig.sqlite()), tables(&new.sqlite()));
    // What a worker had died with is marked.
    let marks = "SELECT group_concat(id || ' ' || mark) FROM messages WHERE mark > 0";
    let marked: String = rig.sqlite().query_row(marks, [], |row| row.get(0)).unwrap();
    assert_eq!(marked, "m-6 2");

    // All run but the one that is delayed: also what the dead worker held.
    let worker = rig.quiet_worker();
    let left = Counts { delayed: 1, dead: 1, ..Counts::default() };
    let seen = eventually(PATIENCE, || (rig.counts(&broker) == left).then_some(()));
    assert!(seen.is_some(), "{:?}\n{worker}", rig.counts(&broker));
    worker.terminate();
    worker.wait();
    let ran: BTreeSet<u32> = said(&worker, "ran").into_iter().collect();
    assert_eq!(ran, [1, 2, 3, 5, 6].into(), "{worker}");
    assert_eq!(said(&worker, "ran").len(), ran.len(), "once each\n{worker}");
    let letters = rig.dead_letters(&broker);
    let dead: Vec<_> = letters.iter().map(|letter| (&*letter.id, letter.reason.as_deref())).collect();
    assert_eq!(dead, [("m-7@1", Some("it failed"))]);
    assert!(String::from_utf8_lossy(&letters[0].bytes).contains(r#""args":[7]"#), "{letters:?}");
    rig.assert_is_whole();
}

#[test]
fn a_newer_version_is_refused() {
    let rig = Rig::new();
    send(&rig.open(), begin(1)).unwrap();
    let connection = rig.sqlite();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let refusal = rig.refusal();
    assert!(refusal.contains("newer version (schema 99, this one knows 6)"), "{refusal}");
}

#[test]
fn processes_that_make_the_same_file_at_once_all_succeed() {
    const TOGETHER: u32 = 6;
    for _ in 0..5 {
        let rig = Rig::new();
        let senders: Vec<_> = (0..TOGETHER).map(|number| rig.sender(number, 1, 1)).collect();
        for sender in &senders {
            assert!(sender.wait().success(), "{sender}");
            assert_eq!(said(sender, "stored").len(), 1, "{sender}");
        }
        let broker = rig.open();
        assert_eq!(rig.counts(&broker).ready, usize::try_from(TOGETHER).unwrap());
        rig.assert_is_whole();
    }
}
