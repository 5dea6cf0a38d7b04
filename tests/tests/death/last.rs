//! The last Rust worker of a queue ends well, and a Python worker goes on with what it left.

use crate::scene::{Scene, delayed, ends_well, note, report};
use common::clock::Stopwatch;
use common::message::Raw;
use std::{collections::BTreeSet, time::Duration};
use tests::{
    process::{PATIENCE, Process, eventually},
    proxy::Proxy,
    python,
    queue::message,
};

/// As dramatiq is: with its patience of a minute, and its lottery.
const PYTHON: &str = "
import time
import dramatiq

@dramatiq.actor
def note(n):
    print(f'python noted {n} at {time.time() * 1000:.0f}\\n', end='', flush=True)
";

/// The same, but it looks for what others left with every command.
const EAGER: &str = "
from kit_broker import broker

broker.maintenance_chance = 1_000_000
";

/// So many that handing them over takes twenty steps.
const MANY: usize = 20_000;

/// The way of each step, there and back: a look between two of them finds some handed over, and most not.
const FAR: Duration = Duration::from_millis(250);

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
    let left = Stopwatch::start();
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
    let ready = Stopwatch::start();
    let lag = runs(&python, 1, due);
    runs(&python, 3, 0);
    report("python is ready, it ran what was left", ready);
    assert!(u128::try_from(lag).unwrap() < SOON.as_millis(), "{lag} ms late\n{python}");
    scene.settle_empty();
}

#[test]
fn what_the_last_worker_was_killed_amid_handing_over_is_taken_in_by_the_next_rust_worker() {
    let scene = Scene::new();
    let ids = killed_amid_its_hand_over(&scene);
    let _next = scene.worker(1);
    let fleet = scene.fleet();
    let taken_in = || {
        let listed: usize = scene.redis(&["LLEN", ":default.DQ"]);
        let claimed: BTreeSet<String> = scene.redis(&["SMEMBERS", &format!(":__acks__.{fleet}.default.DQ")]);
        let index: usize = scene.redis(&["ZCARD", ":default@due"]);
        (listed == 0 && claimed == ids && index == MANY).then_some(())
    };
    assert!(eventually(PATIENCE, taken_in).is_some(), "{:?}", scene.counts());
    scene.settle("nothing is doubled", |counts| (counts.ready, counts.delayed, counts.claimed) == (0, MANY, 0));
}

#[test]
fn what_the_last_worker_was_killed_amid_handing_over_is_taken_over_by_a_python_worker() {
    let scene = Scene::new();
    let ids = killed_amid_its_hand_over(&scene);
    let fleet = scene.fleet();
    let python = python::dramatiq(&format!("{PYTHON}\n{EAGER}"), &scene.url, &scene.namespace);
    python.wait_for_line("Worker process is ready for action.");
    // Some of them wait in its memory for their time, the others in the list.
    let taken_over = || {
        let left: usize = scene.redis(&["SCARD", &format!(":__acks__.{fleet}.default.DQ")]);
        let mut all: Vec<String> = scene.redis(&["LRANGE", ":default.DQ", "0", "-1"]);
        let workers: Vec<String> = scene.redis(&["ZRANGE", ":__heartbeats__", "0", "-1"]);
        for worker in workers.iter().filter(|worker| **worker != fleet) {
            all.extend(scene.redis::<Vec<String>>(&["SMEMBERS", &format!(":__acks__.{worker}.default.DQ")]));
        }
        (left == 0 && all.len() == MANY && all.into_iter().collect::<BTreeSet<_>>() == ids).then_some(())
    };
    assert!(eventually(PATIENCE, taken_over).is_some(), "{:?}\n{python}", scene.counts());
}

/// The last worker leaves, and is killed when some of what is delayed has been handed over, and most has not. Returns their ids.
fn killed_amid_its_hand_over(scene: &Scene) -> BTreeSet<String> {
    let proxy = Proxy::to(scene.url.trim_start_matches("redis://"));
    let worker = scene.worker_at(&proxy.url(), 1);
    let far = |number: usize| delayed(note(u32::try_from(number).unwrap()), Duration::from_secs(3_600));
    let messages: Vec<_> = (0..MANY).map(far).collect();
    let ids = messages.iter().map(|message| message.message_id.to_string()).collect();
    scene.send(messages);
    let listed = || -> usize { scene.redis(&["LLEN", ":default.DQ"]) };
    assert_eq!((listed(), scene.counts().delayed), (0, MANY), "only Rust can order them");
    proxy.delay(FAR);
    worker.interrupt();
    let begun = eventually(PATIENCE, || (listed() > 0).then_some(()));
    worker.kill();
    assert!(begun.is_some(), "nothing is handed over\n{worker}");
    worker.wait();
    drop(proxy);
    assert!(listed() < MANY, "all is handed over\n{worker}");
    ids
}
