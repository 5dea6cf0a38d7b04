//! Pipelines across the two languages, on one Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::Worker;
use tests::process::{PATIENCE, Process, eventually, eventually_async};
use tests::{python, redis};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

/// Python's actors, which Rust sends to.
mod there {
    use common::actor;

    #[actor(remote, queue = "python")]
    pub(crate) fn double(n: i64) -> i64;

    #[actor(remote, queue = "python")]
    pub(crate) fn climb_there(folder: String, step: u32) -> u32;
}

#[actor]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[actor]
fn note(notes: &Mutex<Sender<String>>, what: String, n: i64) {
    notes.lock().unwrap().send(format!("{what} {n}")).unwrap();
}

/// A worker with the actors above.
struct Here {
    broker: Broker,
    notes: Receiver<String>,
    stop: Box<dyn FnOnce()>,
    running: JoinHandle<()>,
}

impl Here {
    async fn start(url: &str, namespace: &str) -> Self {
        let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
        let (told, notes) = channel();
        let worker = Worker::new(broker.clone()).actors(actors![add, note]).state(Mutex::new(told));
        let stopper = worker.stopper();
        let running = tokio::spawn(async move {
            worker.run().await.unwrap();
        });
        Self { broker, notes, stop: Box::new(move || stopper.stop()), running }
    }

    /// What is noted next, sorted.
    fn next_three(&self) -> [String; 3] {
        let mut notes = [(); 3].map(|()| block_in_place(|| self.notes.recv_timeout(PATIENCE)).expect("a note"));
        notes.sort();
        notes
    }

    async fn end(self) {
        let nothing = async || {
            let mut left = Vec::new();
            for queue in self.broker.all_queues().await.ok()? {
                left.push(queue.counts);
            }
            left.iter().all(|counts| *counts == Counts::default()).then_some(())
        };
        assert!(eventually_async(PATIENCE, nothing).await.is_some(), "{:?}", self.broker.all_queues().await);
        (self.stop)();
        self.running.await.unwrap();
    }
}

const ACTORS: &str = "
import dramatiq

@dramatiq.actor(queue_name='python')
def double(n):
    return 2 * n

# These run in Rust.
@dramatiq.actor
def add(a, b): ...

@dramatiq.actor
def note(what, n): ...
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_pipeline_from_either_language_run_in_turn_in_both() {
    use there::double;

    let (url, namespace) = (redis::url(), redis::namespace());
    let here = Here::start(&url, &namespace).await;
    let start = {
        let (url, namespace) = (url.clone(), namespace.clone());
        move || python::dramatiq_with(&["--queues", "python"], ACTORS, &url, &namespace)
    };
    let there = spawn_blocking(start).await.unwrap();

    let in_turn = add::message(1, 2) | double::step() | add::step(4) | double::step() | note::step("in turn");
    let later = double::message(1) | note::step("later").delay(Duration::from_millis(300));
    let ignoring = double::message(1) | add::message(5, 6) | double::step() | note::step("ignoring");
    for steps in [in_turn, later, ignoring.delay(Duration::from_millis(200))] {
        steps.send(&here.broker).await.unwrap();
    }
    assert_eq!(here.next_three(), ["ignoring 22", "in turn 20", "later 2"]);

    let script = format!(
        "{ACTORS}
from dramatiq import pipeline
(add.message(1, 2) | double.message() | add.message(4) | double.message() | note.message('in turn')).run()
(double.message(1) | note.message_with_options(args=('later',), delay=300)).run()
ignoring = add.message_with_options(args=(5, 6), pipe_ignore=True)
pipeline([double.message(1), ignoring, double.message(), note.message('ignoring')]).run(delay=200)
"
    );
    spawn_blocking(move || python::with_broker(&script, &url, &namespace)).await.unwrap();
    assert_eq!(here.next_three(), ["ignoring 22", "in turn 20", "later 2"]);
    here.end().await;
    drop(there);
}

/// A worker of Python's whose steps wait for a file; those who take over from one that was killed do not wait a minute, as they usually do.
const CLIMBER: &str = "
import os, time
import dramatiq
from kit_broker import broker

broker.heartbeat_timeout = 3_000
broker.maintenance_chance = 1_000_000

@dramatiq.actor(queue_name='python', max_retries=0)
def climb_there(folder, step):
    print(f'climbs {step}')
    while not os.path.exists(f'{folder}/{step}'): time.sleep(0.005)
    return step + 1

# These run in Rust.
@dramatiq.actor(queue_name='rust')
def climb(folder, step): ...

@dramatiq.actor(queue_name='rust')
def arrive(step): ...
";

/// Rust's actors, which `peer` runs.
mod peer {
    use common::actor;

    #[actor(remote, queue = "rust")]
    pub(crate) fn climb(folder: String, step: u32) -> u32;

    #[actor(remote, queue = "rust")]
    pub(crate) fn arrive(step: u32);
}

#[test]
fn a_pipeline_whose_workers_are_killed_at_each_step_goes_on_to_its_end_and_comes_there_once() {
    use peer::{arrive, climb};
    use there::climb_there;

    let (url, namespace) = (redis::url(), redis::namespace());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("{url}?namespace={namespace}");
    let broker = runtime.block_on(Broker::connect(&address)).unwrap();
    let gates = tempfile::tempdir().unwrap();
    let folder = gates.path().display().to_string();
    let start_rust = || Process::start(Path::new(env!("CARGO_BIN_EXE_peer")), &["climb", &address], &[]);
    let start_python = || python::dramatiq_with(&["--queues", "python"], CLIMBER, &url, &namespace);

    let steps = climb::message(&*folder, 0) | climb_there::step(&*folder) | climb::step(&*folder);
    let steps = steps | climb_there::step(&*folder) | arrive::step();
    steps.send_blocking(&broker).unwrap();
    let (mut rust, mut python) = (start_rust(), start_python());
    for step in 0..4 {
        let begins = format!("climbs {step}");
        let (worker, start): (_, &dyn Fn() -> Process) =
            if step % 2 == 0 { (&mut rust, &start_rust) } else { (&mut python, &start_python) };
        worker.wait_for_line(&begins);
        worker.kill();
        *worker = start();
        worker.wait_for_line(&begins);
        fs::write(gates.path().join(step.to_string()), "").unwrap();
    }
    rust.wait_for_line("arrives at 4");
    let counts = |queue: &str| runtime.block_on(broker.counts(&QueueName::canonical(queue))).unwrap();
    let over = eventually(PATIENCE, || {
        ["rust", "python"].iter().all(|queue| counts(queue) == Counts::default()).then_some(())
    });
    assert!(over.is_some(), "{:?} {:?}", counts("rust"), counts("python"));
    assert_eq!(rust.lines().iter().filter(|line| line.contains("arrives")).count(), 1, "{rust}");
}
