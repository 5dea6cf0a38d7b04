//! What is said about a place that no database can be in.

use std::fs;

use crate::disk::{Disk, where_one_may_mount};
use crate::rig::{Rig, begin, send};
use crate::rights::{assert_is_told, send_as_somebody, set_mode};

fn refusal(rig: &Rig, path: &str) -> String {
    rig.try_open(&rig.folder().join(path)).unwrap_err().to_string()
}

#[test]
fn a_file_system_that_is_mounted_read_only_is_called_so() {
    where_one_may_mount("words::a_file_system_that_is_mounted_read_only_is_called_so", || {
        let disk = Disk::new();
        drop(disk.rig().open());
        disk.close();
        for path in ["tasks.db", "new.db"] {
            let said = refusal(disk.rig(), path);
            assert!(said.contains("mounted read-only") && said.contains("name a file elsewhere"), "{said}");
            assert!(!said.contains("mode"), "{said}");
        }
    });
}

#[test]
fn a_disk_without_room_for_a_new_file_is_called_full() {
    where_one_may_mount("words::a_disk_without_room_for_a_new_file_is_called_full", || {
        let disk = Disk::new();
        // It ends with an error, once there is no room.
        let _ = fs::write(disk.rig().folder().join("filler"), vec![0; 8 << 20]);
        let said = refusal(disk.rig(), "tasks.db");
        assert!(said.contains("is full"), "{said}");
        disk.empty();
        send(&disk.rig().open(), begin(1)).unwrap();
    });
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let said = refusal(&Rig::new(), "nowhere/tasks.db");
    assert!(said.contains("there is no folder") && said.contains("nowhere"), "{said}");
}

#[test]
fn a_folder_is_no_file_and_a_file_no_folder() {
    let rig = Rig::new();
    let said = refusal(&rig, "");
    assert!(said.contains("is a folder: name a file in it"), "{said}");
    fs::write(rig.folder().join("note"), "").unwrap();
    let said = refusal(&rig, "note/tasks.db");
    assert!(said.contains("note is no folder"), "{said}");
}

#[test]
fn a_name_that_leaves_no_room_for_those_of_the_log_is_too_long() {
    let rig = Rig::new();
    let long = format!("{}/{}", "y".repeat(200), "z".repeat(200));
    fs::create_dir_all(rig.folder().join(&long)).unwrap();
    for path in ["x".repeat(250), "x".repeat(300), format!("{long}/{}", "w".repeat(150))] {
        let said = refusal(&rig, &path);
        assert!(said.contains("too long"), "{said}");
    }
}

#[test]
fn a_folder_that_may_not_be_searched_is_named() {
    let rig = Rig::new();
    send(&rig.open(), begin(1)).unwrap();
    set_mode(rig.folder(), 0o755);
    let inner = rig.folder().join("closed/inner");
    fs::create_dir_all(&inner).unwrap();
    set_mode(&rig.folder().join("closed"), 0o600);
    let sender = send_as_somebody(&inner.join("tasks.db"));
    assert_is_told(&sender, &rig.folder().join("closed"), "may not look into");
    set_mode(&rig.folder().join("closed"), 0o755);
}
