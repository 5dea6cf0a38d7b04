//! Take-over between the languages: each recovers what the other's dead worker held.

use crate::scene::{Scene, delayed, note, prioritised, report, times, wait_for_times};
use common::clock::Stopwatch;
use std::time::Duration;
use tests::{
    process::{PATIENCE, eventually},
    python,
};

/// Everything that a Rust worker may hold when it dies; a Python worker's own patience is a minute, shortened here, and it does
/// its upkeep by lottery, of which every ticket wins here. (A line is one write, or two threads mix theirs.)
const SURVIVOR: &str = "
import os, time
import dramatiq
from kit_broker import broker

broker.heartbeat_timeout = 3_000
broker.maintenance_chance = 1_000_000

@dramatiq.actor
def hold(gate):
    print('python holds\\n', end='', flush=True)

@dramatiq.actor
def note(n):
    print(f'python noted {n} at {time.time() * 1000:.0f}\\n', end='', flush=True)
";

#[test]
fn a_python_worker_alone_takes_over_everything_of_a_killed_rust_worker() {
    let scene = Scene::new();
    let victim = scene.worker(1);
    scene.send([scene.hold("never opened")]);
    victim.wait_for_line("attempt 1 starts");
    scene.send([note(1)]);
    scene.settle("one runs, one is prefetched", |counts| counts.claimed == 2);
    // One is due before the take-over, the other long after it.
    let far = delayed(note(4), Duration::from_secs(8));
    let due = far.eta(far.message_timestamp).unwrap().as_millis();
    scene.send([prioritised(note(2), 5), delayed(note(3), Duration::from_secs(1)), far]);
    scene.settle("the others are held", |counts| (counts.ready, counts.delayed) == (1, 2));
    victim.kill();
    let died = Stopwatch::start();
    let survivor = python::dramatiq(SURVIVOR, &scene.url, &scene.namespace);
    survivor.wait_for_line("Worker process is ready for action.");
    report("killed, python is ready", died);
    for said in ["python holds", "python noted 1", "python noted 2", "python noted 3"] {
        survivor.wait_for_line(said);
        report(&format!("killed, {said}"), died);
    }
    let last = survivor.wait_for_line("python noted 4");
    let ran: i64 = last.rsplit(' ').next().and_then(|time| time.parse().ok()).unwrap();
    assert!(ran >= due, "{} ms early: {last}", due - ran);
    scene.settle_empty();
    for said in ["python holds", "noted 1 ", "noted 2 ", "noted 3 ", "noted 4 "] {
        let runs = survivor.lines().iter().filter(|line| line.contains(said)).count();
        assert_eq!(runs, 1, "{said}\n{survivor}");
    }
}

const VICTIM: &str = "
import time
import dramatiq

@dramatiq.actor
def hold(gate):
    print('python holds\\n', end='', flush=True)
    time.sleep(600)

@dramatiq.actor
def note(n):
    print(f'python noted {n}\\n', end='', flush=True)
";

/// As dramatiq's protocol has it; a Python worker shows its life with its commands only.
const PYTHONS_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_rust_worker_takes_over_from_a_killed_python_worker_after_its_minute() {
    let scene = Scene::new();
    let victim = python::dramatiq(VICTIM, &scene.url, &scene.namespace);
    victim.wait_for_line("Worker process is ready for action.");
    // It runs two at once, prefetches one, and holds the delayed one in its memory.
    scene.send([scene.hold("a"), scene.hold("b")]);
    wait_for_times(&victim, "python holds", 2);
    scene.send([note(1), delayed(note(2), Duration::from_secs(3))]);
    let claims = |queue: &str| -> usize {
        let sets: Vec<String> = scene.redis(&["KEYS", &format!(":__acks__.*.{queue}")]);
        sets.iter().map(|set| scene.redis::<usize>(&["SCARD", set])).sum()
    };
    let fetched = eventually(PATIENCE, || ((claims("default"), claims("default.DQ")) == (3, 1)).then_some(()));
    assert!(fetched.is_some(), "{victim}");
    victim.kill();
    let died = Stopwatch::start();
    scene.open("a");
    scene.open("b");
    let survivor = scene.worker(2);
    let is_over =
        || times(&survivor, "let go") == 2 && times(&survivor, "noted 1") == 1 && times(&survivor, "noted 2") == 1;
    let over = eventually(PYTHONS_MINUTE + Duration::from_secs(15), || is_over().then_some(()));
    assert!(over.is_some(), "{survivor}");
    report("python killed, all ran", died);
    assert!(died.elapsed() > PYTHONS_MINUTE.saturating_sub(Duration::from_secs(5)), "it may have lived");
    scene.settle_empty();
}
