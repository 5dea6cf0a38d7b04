//! A small disk of a test's own, mounted for it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::broker::Broker;
use common::error::{EnqueueError, StoreError};
use common::message::Raw;
use tempfile::TempDir;
use tests::process::{PATIENCE, eventually};
use tests::queue::message;

use crate::rig::{Rig, send};

/// A disk of four megabytes.
pub(crate) struct Disk(Option<Rig>);

impl Disk {
    pub(crate) fn new() -> Self {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"], folder.path());
        assert!(mounted, "a tmpfs cannot be mounted");
        Self(Some(Rig::at(folder)))
    }

    pub(crate) fn rig(&self) -> &Rig {
        self.0.as_ref().unwrap()
    }

    /// Takes all the room there is but what the database has, to the last page of its log.
    pub(crate) fn fill(&self, broker: &Broker) -> StoreError {
        let filler = self.rig().folder().join("filler");
        // It ends with an error, once there is no room.
        let _ = fs::write(&filler, vec![0; 8 << 20]);
        loop {
            match send(broker, message("handled", [Raw::from("no room")])) {
                Ok(()) => {}
                Err(EnqueueError::NotStored { stored: 0, cause }) => return cause,
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// Nothing can be written to it any more. The system refuses that while somebody has a file open for writing: a thread of a store
    /// that was dropped, or a child that is not its program yet.
    pub(crate) fn close(&self) {
        let remount = || run("mount", &["-o", "remount,bind,ro"], self.rig().folder()).then_some(());
        assert!(eventually(PATIENCE, remount).is_some(), "it cannot be mounted anew");
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.rig().folder().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(rig) = self.0.take() {
            // Lazily, as a thread of the store may still have its files open.
            run("umount", &["-l"], rig.folder());
        }
    }
}

/// Runs the test of this name where it may mount a disk: here for root, for anybody else in a namespace in which he is root.
pub(crate) fn where_one_may_mount(name: &str, test: impl FnOnce()) {
    if rustix::process::geteuid().is_root() {
        return test();
    }
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount"]).arg(env::current_exe().unwrap());
    let passed = inside.args(["--exact", name, "--nocapture"]).status().unwrap().success();
    assert!(passed, "it failed in a namespace of its own: its output is above");
}

fn run(program: &str, args: &[&str], folder: &Path) -> bool {
    Command::new(program).args(args).arg(folder).status().is_ok_and(|status| status.success())
}
