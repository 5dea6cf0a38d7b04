//! The database under more than one name.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::time::Duration;

use common::clock::Stopwatch;
use common::error::{EnqueueError, StoreError};

use crate::rig::{Rig, begin, send};

/// With one bell, it takes milliseconds; with two, whoever waits looks after two seconds.
const AT_ONCE: Duration = Duration::from_millis(700);

/// A database of which a link in another folder is a name.
fn linked() -> (Rig, Rig) {
    let (data, links) = (Rig::new(), Rig::new());
    symlink(data.path(), links.path()).unwrap();
    (data, links)
}

#[test]
fn what_is_sent_by_the_name_of_a_link_is_heard_of_at_once() {
    let (data, links) = linked();
    let (direct, by_link) = (data.open(), links.open());
    let worker = data.quiet_worker();
    let mut slow = 0;
    for number in 0..10 {
        let sent = Stopwatch::start();
        send(if number % 2 == 0 { &by_link } else { &direct }, begin(number)).unwrap();
        worker.wait_for_line(&format!("ran {number}"));
        slow += u32::from(sent.elapsed() > AT_ONCE);
    }
    assert!(slow <= 2, "{slow} of 10 messages were not heard of\n{worker}");
    assert!(!links.beside(".bell").exists() && !links.beside("-wal").exists());
}

#[test]
fn a_file_that_was_cut_off_is_refused_by_the_name_of_a_link_too() {
    let (data, links) = linked();
    fs::write(data.path(), "").unwrap();
    fs::write(data.beside("-wal"), [1; 5000]).unwrap();
    let refusal = links.refusal();
    assert!(refusal.contains("a log lies beside it"), "{refusal}");
    assert_eq!(fs::read(data.beside("-wal")).unwrap(), [1; 5000]);
}

#[test]
fn a_linked_folder_and_the_folder_itself_are_one_place() {
    let (data, links) = (Rig::new(), Rig::new());
    symlink(data.folder(), links.folder().join("data")).unwrap();
    let by_link = links.try_open(&links.folder().join("data/tasks.db")).unwrap();
    send(&by_link, begin(1)).unwrap();
    assert_eq!(data.counts(&data.open()).ready, 1);
    assert!(by_link.address().contains(&*data.path().canonicalize().unwrap().to_string_lossy()));
}

#[test]
fn a_link_to_nothing_yet_makes_the_file_where_it_leads() {
    let (data, links) = linked();
    assert!(!data.path().exists());
    send(&links.open(), begin(1)).unwrap();
    assert_eq!(data.counts(&data.open()).ready, 1);
    assert!(fs::symlink_metadata(links.path()).unwrap().is_symlink());
}

#[test]
fn a_link_into_a_folder_that_is_missing_names_the_folder() {
    let links = Rig::new();
    symlink("nowhere/tasks.db", links.path()).unwrap();
    let error = links.try_open(&links.path()).unwrap_err().to_string();
    assert!(error.contains("there is no folder") && error.contains("nowhere"), "{error}");
}

#[test]
fn links_that_name_each_other_are_refused() {
    let links = Rig::new();
    symlink("other.db", links.path()).unwrap();
    symlink("tasks.db", links.folder().join("other.db")).unwrap();
    let error = links.try_open(&links.path()).unwrap_err().to_string();
    assert!(error.contains("round and round"), "{error}");
}

#[test]
fn nothing_is_written_once_the_link_leads_elsewhere() {
    let (data, links) = linked();
    let broker = links.open();
    send(&broker, begin(1)).unwrap();
    let other = Rig::new();
    send(&other.open(), begin(1)).unwrap();
    fs::remove_file(links.path()).unwrap();
    symlink(other.path(), links.path()).unwrap();
    let error = send(&broker, begin(2)).unwrap_err();
    let EnqueueError::NotStored { cause: StoreError::Refused(cause), .. } = error else { panic!("{error:?}") };
    assert!(cause.contains("moved, replaced or deleted"), "{cause}");
    assert_eq!(data.counts(&data.open()).ready, 1);
}

#[test]
fn a_file_with_two_names_of_its_own_is_refused_by_both() {
    let rig = Rig::new();
    send(&rig.open(), begin(1)).unwrap();
    let other = rig.folder().join("other.db");
    fs::hard_link(rig.path(), &other).unwrap();
    for path in [rig.path(), other.clone()] {
        let error = rig.try_open(&path).unwrap_err().to_string();
        assert!(error.contains("2 names (hard links)"), "{error}");
    }
    fs::remove_file(&other).unwrap();
    assert_eq!(rig.counts(&rig.open()).ready, 1);
}

#[test]
fn a_cut_file_behind_a_link_stays_as_it_is() {
    let (data, links) = linked();
    let broker = data.open();
    broker.enqueue_blocking((0..500).map(begin).collect()).unwrap();
    let copy = Rig::new();
    data.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    fs::copy(data.path(), copy.path()).unwrap();
    fs::remove_file(links.path()).unwrap();
    symlink(copy.path(), links.path()).unwrap();
    let length = fs::metadata(copy.path()).unwrap().len();
    OpenOptions::new().write(true).open(copy.path()).unwrap().set_len(length / 2).unwrap();
    let refusal = links.refusal();
    assert!(refusal.contains("damaged"), "{refusal}");
}
