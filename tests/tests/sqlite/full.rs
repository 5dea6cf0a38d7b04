//! A disk without room: a small one, mounted for the test.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::broker::Broker;
use common::error::{EnqueueError, StoreError};
use common::message::Raw;
use tempfile::TempDir;

use crate::rig::{Rig, begin, message, send};

/// A disk of four megabytes.
struct Disk(Option<Rig>);

impl Disk {
    fn new() -> Self {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"], folder.path());
        assert!(mounted, "a tmpfs cannot be mounted");
        Self(Some(Rig::at(folder)))
    }

    fn rig(&self) -> &Rig {
        self.0.as_ref().unwrap()
    }

    /// Takes all the room there is but what the database has, to the last page of its log.
    fn fill(&self, broker: &Broker) -> StoreError {
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

    fn empty(&self) {
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
fn where_one_may_mount(name: &str, test: impl FnOnce()) {
    if rustix::process::geteuid().is_root() {
        return test();
    }
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount"]).arg(env::current_exe().unwrap());
    let passed = inside.args(["--exact", &format!("full::{name}"), "--nocapture"]).status().unwrap().success();
    assert!(passed, "it failed in a namespace of its own: its output is above");
}

fn run(program: &str, args: &[&str], folder: &Path) -> bool {
    Command::new(program).args(args).arg(folder).status().is_ok_and(|status| status.success())
}

#[test]
fn a_send_without_room_is_refused_and_works_once_there_is_some() {
    where_one_may_mount("a_send_without_room_is_refused_and_works_once_there_is_some", || {
        let disk = Disk::new();
        let rig = disk.rig();
        let broker = rig.open();
        send(&broker, begin(1)).unwrap();
        let error = disk.fill(&broker);
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
        let ready = rig.counts(&broker).ready;
        let batch = (0..500).map(begin).collect();
        let refused = broker.enqueue_blocking(batch).unwrap_err();
        assert!(matches!(refused, EnqueueError::NotStored { stored: 0, cause: StoreError::Full(_) }), "{refused:?}");
        assert_eq!(rig.counts(&broker).ready, ready, "a batch is stored as a whole or not at all");
        disk.empty();
        send(&broker, begin(2)).unwrap();
        assert_eq!(rig.counts(&broker).ready, ready + 1);
        rig.assert_is_whole();
    });
}

#[test]
fn a_worker_keeps_what_it_finished_without_room_and_runs_nothing_twice() {
    where_one_may_mount("a_worker_keeps_what_it_finished_without_room_and_runs_nothing_twice", || {
        let disk = Disk::new();
        let rig = disk.rig();
        let broker = rig.open();
        let worker = rig.worker();
        send(&broker, message("nap", [Raw::from(2_u32)])).unwrap();
        worker.wait_for_line("attempt 1 starts");
        let error = disk.fill(&broker);
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
        worker.wait_for("end of the nap", |line| line.contains("nap(") && line.contains("done in"));
        worker.wait_for_line("is full");
        assert_eq!(rig.counts(&broker).claimed, 1, "{worker}");
        disk.empty();
        let seen =
            tests::process::eventually(tests::process::PATIENCE, || (rig.counts(&broker).claimed == 0).then_some(()));
        assert!(seen.is_some(), "{worker}");
        let naps = worker.lines().iter().filter(|line| line.contains("nap(") && line.contains("starts")).count();
        assert_eq!(naps, 1, "{worker}");
        rig.assert_is_whole();
    });
}
