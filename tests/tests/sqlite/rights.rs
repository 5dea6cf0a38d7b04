//! Files and folders that a user may not write.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tests::process::{self, Process};

use crate::rig::{Rig, begin, send};

/// Runs a sender as a user to whom the rights of files apply, so not as root.
pub(crate) fn send_as_somebody(database: &Path) -> Process {
    // The database's own folder may be closed.
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let program = folder.path().join("program");
    fs::copy(process::binary("e02_error_handling"), &program).unwrap();
    set_mode(&program, 0o755);
    let program = program.display().to_string();
    let url = format!("sqlite:{}", database.display());
    let call = [&*program, "handled", "3", "--broker", &url];
    let sender = if rustix::process::geteuid().is_root() {
        let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        Process::start(Path::new("setpriv"), &[&nobody[..], &call[..]].concat(), &[])
    } else {
        Process::start(Path::new(call[0]), &call[1..], &[])
    };
    sender.wait();
    sender
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn assert_is_told(sender: &Process, file: &Path, words: &str) {
    let said = sender.stderr().join("\n");
    assert_eq!(sender.ended().and_then(|status| status.code()), Some(3), "{sender}");
    assert!(said.contains(&file.display().to_string()) && said.contains(words), "{sender}");
}

fn closed() -> Rig {
    let rig = Rig::new();
    send(&rig.open(), begin(1)).unwrap();
    rig
}

#[test]
fn a_file_that_may_not_be_written_is_told_of() {
    let rig = closed();
    set_mode(rig.folder(), 0o777);
    set_mode(&rig.path(), 0o444);
    assert_is_told(&send_as_somebody(&rig.path()), &rig.path(), "cannot be opened to read and write it");
}

#[test]
fn a_file_that_may_not_be_read_is_told_of() {
    let rig = closed();
    set_mode(rig.folder(), 0o777);
    set_mode(&rig.path(), 0o000);
    assert_is_told(&send_as_somebody(&rig.path()), &rig.path(), "cannot be opened to read and write it");
}

#[test]
fn a_folder_that_may_not_be_written_is_told_of() {
    let rig = Rig::new();
    set_mode(rig.folder(), 0o555);
    assert_is_told(&send_as_somebody(&rig.path()), &rig.path(), "cannot be opened to read and write it");
    set_mode(rig.folder(), 0o755);
}

#[test]
fn the_log_of_another_user_is_told_of() {
    let rig = Rig::new();
    let broker = rig.open();
    send(&broker, begin(1)).unwrap();
    set_mode(rig.folder(), 0o777);
    set_mode(&rig.path(), 0o666);
    for suffix in ["-wal", "-shm"] {
        // For root, whose file it is, that makes no difference; and for anybody else, as if it were root's.
        set_mode(&rig.beside(suffix), 0o000);
    }
    assert_is_told(&send_as_somebody(&rig.path()), &rig.path(), "cannot be opened to read and write it");
}
