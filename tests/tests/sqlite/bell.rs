//! The bell is deleted: news are found by looking, and the bell is hung up again.

use common::clock::Stopwatch;
use std::fs;
use std::time::Duration;

use tests::process::{PATIENCE, eventually};

use crate::rig::{Rig, begin, send};

/// The safety look comes every two seconds; the rest is for a busy machine.
const SAFETY_LOOK: Duration = Duration::from_secs(4);

/// With a bell, it takes milliseconds; without one, the worker looks after a second.
const AT_ONCE: Duration = Duration::from_millis(700);

#[test]
fn a_deleted_bell_delays_one_message_and_is_hung_up_again() {
    let rig = Rig::new();
    let broker = rig.open();
    let worker = rig.quiet_worker();
    fs::remove_file(rig.beside(".bell")).unwrap();
    let sent = Stopwatch::start();
    send(&broker, begin(0)).unwrap();
    worker.wait_for_line("ran 0");
    assert!(sent.elapsed() < SAFETY_LOOK, "{:?}", sent.elapsed());
    let hung_up = eventually(PATIENCE, || rig.beside(".bell").exists().then_some(()));
    assert!(hung_up.is_some(), "nobody has hung up a bell");
    // Both may look once more before they share the new one; from then on, each is heard at once.
    let mut slow = 0;
    for number in 1..=10 {
        let sent = Stopwatch::start();
        send(&broker, begin(number)).unwrap();
        worker.wait_for_line(&format!("ran {number}"));
        slow += u32::from(sent.elapsed() > AT_ONCE);
    }
    assert!(slow <= 2, "{slow} of 10 messages were not heard of\n{worker}");
}
