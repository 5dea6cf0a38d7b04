//! The last Rust worker of a queue ends well, and a Python worker goes on with what it left.

use crate::scene::{Scene, delayed, ends_well, instant, message, note, report};
use common::message::Raw;
use std::time::Duration;
use tests::{process::Process, python};

/// As dramatiq is: with its patience of a minute, and its lottery.
const PYTHON: &str = "
import time
import dramatiq

@dramatiq.actor
def note(n):
    print(f'python noted {n} at {time.time() * 1000:.0f}\\n', end='', flush=True)
";

/// After its time a message may take this long, on a busy machine too; by itself Python's patience is a minute.
const SOON: Duration = Duration::from_secs(15);

/// The lag with which Python ran a message that was due at `due`, in milliseconds.
fn runs(python: &Process, number: u32, due: i64) -> i64 {
    let line = python.wait_for_line(&format!("python noted {number} at "));
    let ran: i64 = line.trim_end().rsplit(' ').next().and_then(|time| time.parse().ok()).unwrap();
    assert!(ran >= due, "{} ms early: {line}", due - ran);
    ran - due
}

#[test]
fn what_the_last_worker_leaves_runs_in_python_at_its_time() {
    let scene = Scene::new();
    let rust = scene.worker(1);
    scene.send([scene.hold("gate")]);
    rust.wait_for_line("attempt 1 starts");
    let python = python::dramatiq(PYTHON, &scene.url, &scene.namespace);
    python.wait_for_line("Worker process is ready for action.");
    // Of another actor's queue nothing is ready, so Python gets nothing before Rust leaves but what lies in the list.
    let soon = delayed(note(1), Duration::from_secs(2));
    let due = soon.eta(soon.message_timestamp).unwrap().as_millis();
    scene.send([soon, delayed(note(2), Duration::from_secs(3_600))]);
    scene.settle("both are delayed", |counts| counts.delayed == 2);
    rust.interrupt();
    scene.open("gate");
    ends_well(&rust);
    let left = instant();
    // And one whose sender does not know yet that the worker is gone.
    let after = delayed(note(3), Duration::from_secs(1));
    let due_after = after.eta(after.message_timestamp).unwrap().as_millis();
    scene.send([after]);
    let lags = [runs(&python, 1, due), runs(&python, 3, due_after)];
    report("the last one left, python ran both", left);
    assert!(lags.iter().all(|lag| u128::try_from(*lag).unwrap() < SOON.as_millis()), "{lags:?} ms late\n{python}");
    scene.settle("the far one stays", |counts| (counts.ready, counts.delayed, counts.claimed) == (0, 1, 0));
}

#[test]
fn a_python_worker_that_is_started_after_the_last_rust_worker_has_left_finds_everything() {
    let scene = Scene::new();
    let rust = scene.worker(1);
    // Long enough for the worker to end before.
    let soon = delayed(note(1), Duration::from_secs(8));
    let due = soon.eta(soon.message_timestamp).unwrap().as_millis();
    scene.send([soon]);
    rust.interrupt();
    ends_well(&rust);
    scene.send([message("note", [Raw::from(3_u32)])]);
    let python = python::dramatiq(PYTHON, &scene.url, &scene.namespace);
    python.wait_for_line("Worker process is ready for action.");
    let ready = instant();
    let lag = runs(&python, 1, due);
    runs(&python, 3, 0);
    report("python is ready, it ran what was left", ready);
    assert!(u128::try_from(lag).unwrap() < SOON.as_millis(), "{lag} ms late\n{python}");
    scene.settle_empty();
}
