//! Results and groups in another database, or on another server, than the queues; across the two languages, as dramatiq's guide sets
//! it up: queues in `/0`, results in `/1`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::{Broker, BrokerBuilder};
use common::call::Call;
use common::clock::Clock;
use common::composition::{Progress, group};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{RunningWorker, Shutdown, Worker};
use redis::Commands as _;
use tests::process::{PATIENCE, Process, eventually_async};
use tests::{
    python,
    redis::{Server, fresh_namespace},
};
use tokio::task::{block_in_place, spawn_blocking};

#[actor(store_results = true, max_retries = 0)]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

#[actor]
fn member(_n: u32) {}

#[actor]
fn note(notes: &Mutex<Sender<String>>, what: String) {
    notes.lock().unwrap().send(what).unwrap();
}

/// Python's actors, which Rust sends to.
mod there {
    use common::actor;

    #[actor(remote, queue = "python", name = "halve", max_retries = 0, store_results = true)]
    pub(crate) fn halve_there(n: u32) -> u32;

    #[actor(remote, queue = "python")]
    pub(crate) fn member_there(n: u32);
}

/// What Python is told as well.
const MODULE: &str = "
import os, time
import dramatiq
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as Limits
from dramatiq.results import Results, ResultFailure
from dramatiq.results.backends import RedisBackend
from kit_broker import broker

elsewhere = os.environ['KIT_REDIS_URL'] + '/1'
backend = RedisBackend(url=elsewhere)
broker.add_middleware(Results(backend=backend))
broker.add_middleware(GroupCallbacks(Limits(url=elsewhere)))
";

async fn python_worker(module: &str, url: &str, namespace: &str) -> Process {
    let (module, url, namespace) = (format!("{MODULE}{module}"), url.to_owned(), namespace.to_owned());
    spawn_blocking(move || python::dramatiq_with(&["--queues", "python"], &module, &url, &namespace)).await.unwrap()
}

async fn python_script(script: &str, url: &str, namespace: &str) -> String {
    let (script, url, namespace) = (format!("{MODULE}{script}"), url.to_owned(), namespace.to_owned());
    spawn_blocking(move || python::with_broker(&script, &url, &namespace)).await.unwrap()
}

async fn connect(builder: BrokerBuilder, url: &str, namespace: &str) -> Broker {
    builder.connect(&format!("{url}?namespace={namespace}")).await.unwrap()
}

/// All keys of a database.
fn keys(server: &Server, database: u8) -> BTreeSet<String> {
    let mut connection = server.connection();
    redis::cmd("SELECT").arg(database).exec(&mut connection).unwrap();
    connection.keys("*").unwrap()
}

fn start(broker: &Broker) -> (RunningWorker, Receiver<String>) {
    let (told, notes) = channel();
    let worker = Worker::new(broker.clone()).threads(2).actors(actors![halve, member, note]).state(Mutex::new(told));
    (worker.start(), notes)
}

async fn stop(running: RunningWorker) {
    running.stop();
    assert_eq!(running.join().await.unwrap(), Shutdown::Clean);
}

async fn settle(broker: &Broker, is_settled: impl Fn(Counts) -> bool) {
    let queue = QueueName::default();
    let settled = async || is_settled(broker.counts(&queue).await.unwrap()).then_some(());
    assert!(eventually_async(PATIENCE, settled).await.is_some(), "{:?}", broker.counts(&queue).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_in_another_database_what_a_rust_worker_stored_there() {
    let (server, namespace) = (Server::start(), fresh_namespace());
    let url = server.url();
    let broker = connect(Broker::builder().results_at(&format!("{url}/1")), &url, &namespace).await;
    let (running, _notes) = start(&broker);
    let script = "
@dramatiq.actor(store_results=True)
def halve(n): ...

print(halve.send(10).get_result(block=True, timeout=30_000))
try:
    halve.send(7).get_result(block=True, timeout=30_000)
except ResultFailure as failure:
    print(failure.orig_exc_msg)
";
    assert_eq!(python_script(script, &url, &namespace).await, "5\n7 is odd\n");
    let sent = halve::send(&broker, 8).await.unwrap();
    assert_eq!(sent.result(PATIENCE).await, Ok(4));
    settle(&broker, |counts| counts == Counts { dead: 1, ..Counts::default() }).await;
    let there = keys(&server, 1);
    assert_eq!(there.len(), 3, "three results, and nothing else: {there:?}");
    let key = broker.result_key(&sent);
    assert!(there.contains(&key) && there.is_disjoint(&keys(&server, 0)), "{key} {there:?}");
    assert_eq!(broker.forget_results(&[sent.into_message()]).await, Ok(1));
    stop(running).await;
}

/// Told by that server when it is stored, without a look in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_waits_in_another_database_for_what_a_python_worker_stores_there() {
    use there::halve_there;

    let (server, namespace) = (Server::start(), fresh_namespace());
    let url = server.url();
    let broker = connect(Broker::builder().results_at(&format!("{url}/1")), &url, &namespace).await;
    let gates = tempfile::tempdir().unwrap();
    let gate = gates.path().join("gate");
    let module = format!(
        "
@dramatiq.actor(queue_name='python')
def halve(n):
    while not os.path.exists('{}'): time.sleep(0.005)
    return n // 2
",
        gate.display()
    );
    let python = python_worker(&module, &url, &namespace).await;
    let sent = halve_there::send(&broker, 8).await.unwrap();
    let waiting = tokio::spawn(async move { sent.result(PATIENCE).await });
    let looks = || {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).unwrap();
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_lindex:calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    // One look at once, and one with the request to be told.
    assert!(eventually_async(PATIENCE, async || (looks() >= 2).then_some(())).await.is_some(), "{}", looks());
    Clock::system().sleep(Duration::from_secs(1)).await;
    assert_eq!(looks(), 2, "who polls has looked again by now");
    std::fs::write(gate, "").unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(4));
    drop(python);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_both_languages_are_counted_in_another_database() {
    use there::member_there;

    let (server, namespace) = (Server::start(), fresh_namespace());
    let url = server.url();
    let elsewhere = format!("{url}/1");
    let builder = Broker::builder().results_at(&elsewhere).groups_at(&elsewhere);
    let broker = connect(builder, &url, &namespace).await;
    let (running, notes) = start(&broker);
    let actors = "
@dramatiq.actor(queue_name='python')
def member_there(n): ...

# These run in Rust.
@dramatiq.actor
def member(n): ...

@dramatiq.actor
def note(what): ...
";
    let python = python_worker(actors, &url, &namespace).await;
    let next = || block_in_place(|| notes.recv_timeout(PATIENCE)).expect("what comes after the group");
    for size in 1..=6 {
        let mixed = (0..size).map(|n| -> Call {
            if n % 2 == 0 { member::message(n).untyped() } else { member_there::message(n).untyped() }
        });
        let sent = group(mixed).then(note::message(format!("{size}"))).send(&broker).await.unwrap();
        assert_eq!(next(), size.to_string());
        assert_eq!(sent.progress().await, Ok(Some(Progress { done: size, failed: 0, left: 0 })));
        let name = sent.name().unwrap();
        assert!(keys(&server, 1).contains(name) && !keys(&server, 0).contains(name), "{name}");
    }
    let script = format!(
        "{actors}
from dramatiq import group
for size in range(1, 7):
    members = group((member, member_there)[n % 2].message(n) for n in range(size))
    members.add_completion_callback(note.message(f'python {{size}}'))
    members.run()
"
    );
    python_script(&script, &url, &namespace).await;
    let mut told: Vec<_> = (0..6).map(|_| next()).collect();
    told.sort();
    assert_eq!(told, (1..=6).map(|size| format!("python {size}")).collect::<Vec<_>>());
    settle(&broker, |counts| counts == Counts::default()).await;
    stop(running).await;
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), Vec::<String>::new(), "each once");
    let is_foreign = |key: &String| key.starts_with(&namespace) && !key.starts_with(&format!("{namespace}:@group:"));
    let others: Vec<_> = keys(&server, 1).into_iter().filter(is_foreign).collect();
    assert_eq!(others, Vec::<String>::new(), "neither workers nor queues");
    drop(python);
}

/// It is away while messages run, and comes back empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_without_its_result_while_their_server_is_away() {
    let (server, mut results, namespace) = (Server::start(), Server::start(), fresh_namespace());
    let broker = connect(Broker::builder().results_at(&results.url()), &server.url(), &namespace).await;
    let (running, notes) = start(&broker);
    results.kill();
    let halves = broker.send_all((0..50).map(|n| halve::message(2 * n))).await.unwrap();
    broker.send_all((0..50).map(|n| note::message(n.to_string()))).await.unwrap();
    for _ in 0..50 {
        block_in_place(|| notes.recv_timeout(PATIENCE)).expect("others go on");
    }
    settle(&broker, |counts| counts == Counts { claimed: 50, ..Counts::default() }).await;
    let error = broker.result(&halves[0]).await.unwrap_err().to_string();
    assert!(error.contains(&format!("results at {}", results.url())), "{error}");
    results.start_again();
    settle(&broker, |counts| counts == Counts::default()).await;
    for (n, sent) in (0..).zip(&halves) {
        assert_eq!(sent.result(PATIENCE).await, Ok(n));
    }
    assert_eq!(keys(&results, 0).len(), 50);
    stop(running).await;
}

/// Any place will do; another namespace there is another place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_lie_in_a_file_beside_queues_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("results.db").display());
    let open = async |results: &str| Broker::builder().results_at(results).connect("memory:").await.unwrap();
    let broker = open(&file).await;
    let (running, _notes) = start(&broker);
    let sent = halve::send(&broker, 8).await.unwrap();
    assert_eq!(sent.result(PATIENCE).await, Ok(4));
    stop(running).await;
    let read = async |results: &str| open(results).await.result(&sent).await.unwrap().is_some();
    assert!(read(&file).await, "another process finds it");
    assert!(!read(&format!("{file}?namespace=another")).await);
}
