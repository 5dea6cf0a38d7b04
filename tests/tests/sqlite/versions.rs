//! Files of other versions, and several who make one at once.

use crate::rig::{Rig, begin, said, send};

#[test]
fn a_newer_version_is_refused() {
    let rig = Rig::new();
    send(&rig.open(), begin(1)).unwrap();
    let connection = rig.sqlite();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let refusal = rig.refusal();
    assert!(refusal.contains("newer version (schema 99, this one knows 2)"), "{refusal}");
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
