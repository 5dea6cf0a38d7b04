//! Results and callbacks across the two languages, on one Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::Stopwatch;
use common::error::ResultError;
use common::message::{Message, MessageId, Raw, option};
use common::queue_name::QueueName;
use common::results::Stored;
use common::store::{Counts, State};
use common::worker::Worker;
use tests::{process::PATIENCE, python, redis};

#[actor(store_results = true, max_retries = 0)]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd, \u{e9}")) }
}

#[actor(store_results = true)]
fn divide(a: f64, b: f64) -> f64 {
    a / b
}

#[actor]
fn hear(told: &Mutex<Sender<String>>, message: serde_json::Value, about: serde_json::Value) {
    let line = format!("{}{} {about}", message["actor_name"].as_str().unwrap(), message["args"]);
    told.lock().unwrap().send(line).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_what_a_rust_worker_stored() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![halve, divide]);
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let script = "
import os, dramatiq
from dramatiq.results import Results, ResultFailure
from dramatiq.results.backends import RedisBackend

backend = RedisBackend(url=os.environ['KIT_REDIS_URL'])
dramatiq.get_broker().add_middleware(Results(backend=backend))

@dramatiq.actor(store_results=True)
def halve(n): ...

@dramatiq.actor(store_results=True)
def divide(a, b): ...

print(halve.send(10).get_result(block=True, timeout=30_000))
print(divide.send(-1.0, 0.0).get_result(block=True, timeout=30_000), divide.send(0, 0).get_result(block=True, timeout=30_000))
try:
    print(halve.send(7).get_result(block=True, timeout=30_000))
except ResultFailure as failure:
    print(failure.orig_exc_type, failure.orig_exc_msg)
";
    let said = tokio::task::spawn_blocking(move || python::with_broker(script, &url, &namespace)).await.unwrap();
    assert_eq!(said, "5\n-inf nan\nString 7 is odd, \u{e9}\n");
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_reads_what_a_python_worker_stored() {
    use python_side::halve_in_python as halve;

    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let module = "
import os, dramatiq
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

backend = RedisBackend(url=os.environ['KIT_REDIS_URL'])
dramatiq.get_broker().add_middleware(Results(backend=backend))

# How it is to be run, the messages say.
@dramatiq.actor(queue_name='python')
def halve(n):
    if n % 2: raise ValueError('odd')
    return n // 2
";
    let worker = tokio::task::spawn_blocking(move || python::dramatiq(module, &url, &namespace)).await.unwrap();
    let (even, odd) = (halve::send(&broker, 8).await.unwrap(), halve::send(&broker, 9).await.unwrap());
    let stored = broker.wait_for_result(&even, PATIENCE).await.unwrap();
    assert_eq!(stored, Stored::Value(Raw::from(4_u32)));
    assert_eq!(even.result(PATIENCE).await, Ok(4));
    let failure = ResultError::Failed { kind: "ValueError".to_owned(), text: "odd".to_owned() };
    assert_eq!(odd.result::<u32>(PATIENCE).await, Err(failure));
    drop(worker);
}

/// Python's actors, which Rust sends to, and knows to be on Python's queue.
mod python_side {
    use common::actor;

    use super::hear;

    #[actor(remote, queue = "python", max_retries = 0, on_success = hear)]
    pub(crate) fn shout(text: String, #[kwarg] marks: usize) -> String;

    #[actor(remote, queue = "python")]
    pub(crate) fn hear_in_python(message: serde_json::Value, about: serde_json::Value);

    #[actor(remote, queue = "python", name = "halve", max_retries = 0, store_results = true)]
    pub(crate) fn halve_in_python(n: u32) -> u32;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actors_of_either_language_hear_of_messages_of_the_other() {
    use python_side::{hear_in_python, shout};

    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let (told, heard) = channel::<String>();
    let worker = Worker::new(broker.clone()).actors(actors![halve, hear]).remote_actors(actors![hear_in_python]);
    let worker = worker.state(Mutex::new(told));
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let module = "
import dramatiq

@dramatiq.actor(queue_name='python')
def hear_in_python(message, about):
    print('heard of', message['actor_name'], message['args'], about, flush=True)

# Runs in Rust; Python has to know its name to call it back.
@dramatiq.actor
def hear(message, about): ...

@dramatiq.actor(queue_name='python')
def shout(text, *, marks):
    if text == 'no': raise ValueError('not so loud')
    return text.upper() + '!' * marks
";
    let start = move || python::dramatiq_with(&["--queues", "python"], module, &url, &namespace);
    let python = tokio::task::spawn_blocking(start).await.unwrap();

    for (text, expected) in
        [("hi", r#"shout["hi"] "HI!!!""#), ("no", r#"shout["no"] {"message":"not so loud","type":"ValueError"}"#)]
    {
        shout::message(text, 3).on_failure::<hear>().send(&broker).await.unwrap();
        let line = tokio::task::block_in_place(|| heard.recv_timeout(PATIENCE)).expect("a callback");
        assert_eq!(line, expected);
    }
    for n in [4, 5] {
        let call = halve::message(n).on_success::<hear_in_python>().on_failure::<hear_in_python>();
        call.send(&broker).await.unwrap();
    }
    tokio::task::block_in_place(|| {
        python.wait_for_line("heard of halve [4] 2");
        python.wait_for_line("heard of halve [5] {'type': 'String', 'message': '5 is odd, \u{e9}'}");
    });
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infinity_travels_through_options_arguments_and_callbacks() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let (told, heard) = channel::<String>();
    let worker = Worker::new(broker.clone()).actors(actors![halve, largest, hear_of_limit]).state(Mutex::new(told));
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let script = "
import dramatiq

@dramatiq.actor
def halve(n): ...

@dramatiq.actor
def largest(numbers): ...

inf = float('inf')
halve.send_with_options(args=(7,), time_limit=inf, on_failure='hear_of_limit')
largest.send_with_options(args=({'a': [1, -inf], 'b': [inf]},), on_success='hear_of_limit', time_limit=inf, mine=[float('nan')])
";
    let _ = tokio::task::spawn_blocking(move || python::with_broker(script, &url, &namespace)).await.unwrap();
    let mut lines = [(); 3].map(|()| tokio::task::block_in_place(|| heard.recv_timeout(PATIENCE)).expect("a line"));
    lines.sort();
    assert_eq!(lines, ["halve: limit inf, 0 of its own", "inf in b", "largest: limit inf, 1 of its own"]);
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[actor]
fn largest(told: &Mutex<Sender<String>>, numbers: BTreeMap<String, Vec<f64>>) {
    let all = numbers.iter().flat_map(|(name, numbers)| numbers.iter().map(move |number| (number, name)));
    let (number, name) = all.max_by(|one, other| one.0.total_cmp(other.0)).unwrap();
    told.lock().unwrap().send(format!("{number} in {name}")).unwrap();
}

/// A message, as far as its callback reads it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Told {
    actor_name: String,
    options: Options,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Options {
    time_limit: f64,
    mine: Option<Vec<f64>>,
}

#[actor]
fn hear_of_limit(told: &Mutex<Sender<String>>, message: Told, _about: serde_json::Value) {
    let own = message.options.mine.unwrap_or_default();
    assert!(own.iter().all(|number| number.is_nan()));
    let line = format!("{}: limit {}, {} of its own", message.actor_name, message.options.time_limit, own.len());
    told.lock().unwrap().send(line).unwrap();
}

/// Both languages know `halve`.
const COMPOSED: &str = "
import os, dramatiq
from dramatiq import group
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

broker = dramatiq.get_broker()
broker.add_middleware(GroupCallbacks(RedisBackend(url=os.environ['KIT_REDIS_URL'])))

@dramatiq.actor
def halve(n):
    return n // 2

@dramatiq.actor(queue_name='python')
def shout(*what):
    print('python shouts', *what, flush=True)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dramatiq_would_go_on_with_goes_on() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![halve]);
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let sent = {
        let (url, namespace) = (url.clone(), namespace.clone());
        let script = format!(
            "{COMPOSED}
members = group([halve.message(4), halve.message(6)])
members.add_completion_callback(shout.message('from the group'))
members.run()
# By themselves, none of these asks for more than a run.
options = [dict(pipe_ignore=True), dict(pipe_target=None), dict(group_completion_uuid='x'), dict(max_age=3_600_000)]
for option in options:
    print(halve.send_with_options(args=(8,), store_results=True, **option).message_id)
"
        );
        tokio::task::spawn_blocking(move || python::with_broker(&script, &url, &namespace)).await.unwrap()
    };
    for id in sent.lines() {
        let mut message = halve::message(8).message(broker.clock().now()).unwrap();
        message.message_id = MessageId::from(id);
        let stored = broker.wait_for_result(&message, PATIENCE).await.unwrap();
        assert_eq!(stored, Stored::Value(Raw::from(4_u32)));
    }
    // What comes after the group runs where its actor is.
    let start = move || python::dramatiq_with(&["--queues", "python"], COMPOSED, &url, &namespace);
    let there = tokio::task::spawn_blocking(start).await.unwrap();
    tokio::task::block_in_place(|| there.wait_for_line("python shouts from the group"));
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_runs_what_a_rust_worker_on_the_same_queue_does_not_know() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![halve]);
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let queue = QueueName::default();
    for n in 0..20 {
        let mut message = halve::message(n).message(broker.clock().now()).unwrap();
        message.actor_name = "greet".into();
        broker.enqueue(vec![message]).await.unwrap();
    }
    let counts = async || broker.counts(&queue).await.unwrap();
    let watch = Stopwatch::start();
    while counts().await.delayed < 20 {
        assert!(watch.elapsed() < PATIENCE, "the rust worker requeues them: {:?}", counts().await);
        tokio::task::yield_now().await;
    }
    let module = "
import dramatiq

@dramatiq.actor
def greet(n):
    print(f'python greets {n}.', flush=True)
";
    let start = move || python::dramatiq(module, &url, &namespace);
    let python = tokio::task::spawn_blocking(start).await.unwrap();
    tokio::task::block_in_place(|| {
        for n in 0..20 {
            python.wait_for_line(&format!("python greets {n}."));
        }
    });
    while counts().await != Counts::default() {
        assert!(watch.elapsed() < 2 * PATIENCE, "all are done, and none is dead: {:?}", counts().await);
        tokio::task::yield_now().await;
    }
    let greeted = python.lines().iter().filter(|line| line.contains("python greets")).count();
    assert_eq!(greeted, 20, "each once");
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_python_has_run_and_tries_again_waits_anew_for_a_worker_that_knows_it() {
    const LONG_AGO: i64 = 1_700_000_000_000;
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let mut message = halve::message(1).message(broker.clock().now()).unwrap();
    message.actor_name = "greet".into();
    // A Rust worker has met it before Python's did.
    message.options.set(option::UNKNOWN_SINCE, Raw::from(LONG_AGO));
    broker.enqueue(vec![message.clone()]).await.unwrap();
    let script = "
import dramatiq, threading
ran = threading.Event()

@dramatiq.actor(min_backoff=1, max_backoff=1)
def greet(n):
    ran.set()
    raise RuntimeError('try again')

worker = dramatiq.Worker(dramatiq.get_broker(), worker_threads=1)
worker.start()
assert ran.wait(30)
worker.stop()
";
    tokio::task::block_in_place(|| python::with_broker(script, &url, &namespace));
    let worker = Worker::new(broker.clone()).actors(actors![halve]);
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let watch = Stopwatch::start();
    let since = loop {
        let info = broker.find(message.message_id.as_str(), 100).await.unwrap().remove(0);
        assert!(!matches!(info.state, State::Dead { .. }), "{info:?}");
        let found = Message::decode(&info.bytes, broker.clock().now()).unwrap();
        assert!(found.retries() > 0, "Python has run it: {found:?}");
        let since = found.options.get(option::UNKNOWN_SINCE).and_then(Raw::millis).unwrap();
        if since != LONG_AGO {
            break since;
        }
        assert!(watch.elapsed() < PATIENCE, "the Rust worker meets it: {found:?}");
        tokio::task::yield_now().await;
    };
    assert!(since > message.message_timestamp.as_millis());
    stopper.stop();
    running.await.unwrap().unwrap();
}
