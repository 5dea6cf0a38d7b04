//! A disk without room.

use common::error::{EnqueueError, StoreError};
use common::message::Raw;
use tests::process::{PATIENCE, eventually};
use tests::queue::message;

use crate::disk::{Disk, where_one_may_mount};
use crate::rig::{begin, said, send};

#[test]
fn a_send_without_room_is_refused_and_works_once_there_is_some() {
    where_one_may_mount("full::a_send_without_room_is_refused_and_works_once_there_is_some", || {
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
    where_one_may_mount("full::a_worker_keeps_what_it_finished_without_room_and_runs_nothing_twice", || {
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
        let seen = eventually(PATIENCE, || (rig.counts(&broker).claimed == 0).then_some(()));
        assert!(seen.is_some(), "{worker}");
        let naps = worker.lines().iter().filter(|line| line.contains("nap(") && line.contains("starts")).count();
        assert_eq!(naps, 1, "{worker}");
        rig.assert_is_whole();
    });
}

#[test]
fn the_log_leaves_room_on_a_small_disk_to_be_worked_in() {
    where_one_may_mount("full::the_log_leaves_room_on_a_small_disk_to_be_worked_in", || {
        let disk = Disk::new();
        let rig = disk.rig();
        let broker = rig.open();
        let _worker = rig.quiet_worker();
        // Each is a few pages of the log, which together are several times the disk.
        for number in 0..1_000 {
            send(&broker, begin(number)).unwrap();
        }
        rig.settle(&broker);
    });
}

#[test]
fn a_disk_that_was_full_and_freed_nine_times_holds_nothing_up() {
    where_one_may_mount("full::a_disk_that_was_full_and_freed_nine_times_holds_nothing_up", || {
        let disk = Disk::new();
        let rig = disk.rig();
        let broker = rig.open();
        let workers: Vec<_> = (0..3).map(|_| rig.quiet_worker()).collect();
        for round in 0..9 {
            let numbers = round * 100..(round + 1) * 100;
            broker.enqueue_blocking(numbers.clone().map(begin).collect()).unwrap();
            let error = disk.fill(&broker);
            assert!(matches!(error, StoreError::Full(_)), "{error:?}");
            disk.empty();
            let ran =
                || workers.iter().flat_map(|worker| said(worker, "ran")).filter(|ran| numbers.contains(ran)).count();
            let all = eventually(PATIENCE, || (ran() >= 100).then_some(()));
            assert!(all.is_some(), "round {round}: {} of 100 ran, {:?}", ran(), rig.counts(&broker));
            let waiting = || rig.counts(&broker);
            let is_clear = eventually(PATIENCE, || (waiting().ready + waiting().claimed == 0).then_some(()));
            assert!(is_clear.is_some(), "round {round}: {:?}", waiting());
        }
        rig.assert_is_whole();
    });
}
