//! Groups across the two languages, on one Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::call::Call;
use common::composition::{Progress, SentGroup, group};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{Stopper, Worker};
use tests::process::{PATIENCE, Process, eventually, eventually_async};
use tests::{python, redis};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

/// Python's actors, which Rust sends to.
mod there {
    use common::actor;

    #[actor(remote, queue = "python")]
    pub(crate) fn member_there(n: u32);

    #[actor(remote, queue = "python")]
    pub(crate) fn climb_there(folder: String, step: u32) -> u32;
}

#[actor]
fn member(_n: u32) {}

#[actor]
fn note(notes: &Mutex<Sender<String>>, what: String) {
    notes.lock().unwrap().send(what).unwrap();
}

/// A broker, and a worker with the actors above.
struct Here {
    broker: Broker,
    notes: Receiver<String>,
    stopper: Stopper,
    running: JoinHandle<()>,
}

impl Here {
    async fn start(url: &str, namespace: &str) -> Self {
        let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
        let (told, notes) = channel();
        let worker = Worker::new(broker.clone()).actors(actors![member, note]).state(Mutex::new(told));
        let stopper = worker.stopper();
        let running = tokio::spawn(async move {
            worker.run().await.unwrap();
        });
        Self { broker, notes, stopper, running }
    }

    /// What is noted next, so many times.
    fn next(&self, count: usize) -> Vec<String> {
        let next = |_| block_in_place(|| self.notes.recv_timeout(PATIENCE)).expect("a note");
        let mut next: Vec<_> = (0..count).map(next).collect();
        next.sort();
        next
    }

    /// Until everything has ended; nothing more was noted.
    async fn end(self) {
        let nothing = async || {
            let queues = self.broker.all_queues().await.ok()?;
            queues.iter().all(|queue| queue.counts == Counts::default()).then_some(())
        };
        assert!(eventually_async(PATIENCE, nothing).await.is_some(), "{:?}", self.broker.all_queues().await);
        self.stopper.stop();
        self.running.await.unwrap();
        assert_eq!(self.notes.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// A worker of Python's that counts members, and what a script of Python's needs for that.
const ACTORS: &str = "
import os
import dramatiq
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend
from kit_broker import broker

limits = RedisBackend(url=os.environ['KIT_REDIS_URL'])
broker.add_middleware(GroupCallbacks(limits))

@dramatiq.actor(queue_name='python')
def member_there(n): ...

# These run in Rust.
@dramatiq.actor
def member(n): ...

@dramatiq.actor
def note(what): ...
";

async fn python_worker(url: &str, namespace: &str) -> Process {
    let (url, namespace) = (url.to_owned(), namespace.to_owned());
    spawn_blocking(move || python::dramatiq_with(&["--queues", "python"], ACTORS, &url, &namespace)).await.unwrap()
}

/// Runs a script of Python's with the actors above.
async fn python_script(script: &str, url: &str, namespace: &str) -> String {
    let (script, url, namespace) = (format!("{ACTORS}\n{script}"), url.to_owned(), namespace.to_owned());
    spawn_blocking(move || python::with_broker(&script, &url, &namespace)).await.unwrap()
}

/// Members in both languages by turns.
fn mixed(members: u32) -> impl Iterator<Item = Call> {
    use there::member_there;
    (0..members).map(|n| if n % 2 == 0 { member::message(n).untyped() } else { member_there::message(n).untyped() })
}

/// Ends of members meet each other at any moment, and so do the last two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_in_both_languages_complete_their_group_once_whoever_made_it() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let here = Here::start(&url, &namespace).await;
    let there = python_worker(&url, &namespace).await;

    let mut sent = Vec::new();
    for number in 0..20 {
        let then = note::message(format!("{number}"));
        sent.push(group(mixed(2 + number % 7)).then(then).send(&here.broker).await.unwrap());
    }
    let mut expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    expected.sort();
    assert_eq!(here.next(20), expected);
    for sent in &sent {
        let done = u32::try_from(sent.members().len()).unwrap();
        assert_eq!(sent.progress().await, Ok(Some(Progress { done, failed: 0, left: 0 })));
    }

    let script = "
from dramatiq import group
for number in range(20):
    members = group((member, member_there)[n % 2].message(n) for n in range(2 + number % 7))
    members.add_completion_callback(note.message(str(number)))
    members.run()
";
    python_script(script, &url, &namespace).await;
    assert_eq!(here.next(20), expected);
    here.end().await;
    drop(there);
}

/// What is counted, dramatiq's own barrier reads and counts on; and once Rust has completed a group, no late end of Python's does so
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_rust_has_completed_is_not_completed_by_python_once_more() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let here = Here::start(&url, &namespace).await;
    let open = group([1, 2, 3].map(member::message)).then(note::message("open")).tracked();
    // Its members wait; what Python makes of them meanwhile is all that counts.
    here.broker.pause(&QueueName::default()).await.unwrap();
    let sent = open.send(&here.broker).await.unwrap();
    let wait = |sent: &SentGroup<member>| {
        let name = sent.name().unwrap();
        format!(
            "from dramatiq.rate_limits import Barrier\nprint(Barrier(limits, '{name}', ttl=60_000).wait(block=False))"
        )
    };
    assert_eq!(python_script(&wait(&sent), &url, &namespace).await.trim(), "False");
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 1, failed: 0, left: 2 })));
    here.broker.resume(&QueueName::default()).await.unwrap();
    assert_eq!(here.next(1), ["open"], "as Python ended one twice, it is complete one member early, and once");
    let name = sent.name().unwrap();
    let shows = format!("print(limits.client.lrange('{name}@events', 0, -1))");
    let late = format!("{}\n{shows}", [wait(&sent).as_str(); 3].join("\n"));
    let late = python_script(&late, &url, &namespace).await;
    assert_eq!(late, "False\nFalse\nFalse\n[b'x']\n", "who waits for the barrier was told, once");
    here.end().await;
}

/// A worker of Python's whose members wait for a file; those who take over from one that was killed do not wait a minute, as they usually do.
const CLIMBER: &str = "
import os, time
import dramatiq
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend
from kit_broker import broker

broker.add_middleware(GroupCallbacks(RedisBackend(url=os.environ['KIT_REDIS_URL'])))
broker.heartbeat_timeout = 3_000
broker.maintenance_chance = 1_000_000

@dramatiq.actor(queue_name='python', max_retries=0)
def climb_there(folder, step):
    print(f'climbs {step}')
    while not os.path.exists(f'{folder}/{step}'): time.sleep(0.005)

# This runs in Rust.
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
fn a_group_whose_workers_are_killed_with_their_members_is_completed_once() {
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

    let members = [climb::message(&*folder, 0).untyped(), climb_there::message(&*folder, 1).untyped()];
    let more = [climb::message(&*folder, 2).untyped(), climb_there::message(&*folder, 3).untyped()];
    let all = group(members.into_iter().chain(more)).then(arrive::message(7));
    let sent = all.send_blocking(&broker).unwrap();
    let (mut rust, mut python) = (start_rust(), start_python());
    let begin = |worker: &Process, steps: [u32; 2]| steps.map(|step| worker.wait_for_line(&format!("climbs {step}")));
    begin(&rust, [0, 2]);
    begin(&python, [1, 3]);
    // In the middle of all of them; and once more, when half of them have ended.
    for gate in [[0, 1], [2, 3]] {
        rust.kill();
        python.kill();
        (rust, python) = (start_rust(), start_python());
        rust.wait_for_line(&format!("climbs {}", gate[0]));
        python.wait_for_line(&format!("climbs {}", gate[1]));
        for step in gate {
            fs::write(gates.path().join(step.to_string()), "").unwrap();
        }
        let left = if gate == [0, 1] { 2 } else { 0 };
        let is_there = || sent.progress_blocking().unwrap().filter(|progress| progress.left == left);
        assert!(eventually(PATIENCE, is_there).is_some(), "{:?}", sent.progress_blocking());
    }
    rust.wait_for_line("arrives at 7");
    let counts = |queue: &str| runtime.block_on(broker.counts(&QueueName::canonical(queue))).unwrap();
    let over = eventually(PATIENCE, || {
        ["rust", "python"].iter().all(|queue| counts(queue) == Counts::default()).then_some(())
    });
    assert!(over.is_some(), "{:?} {:?}", counts("rust"), counts("python"));
    assert_eq!(rust.lines().iter().filter(|line| line.contains("arrives")).count(), 1, "{rust}");
}
