//! Results and callbacks across the two languages, on one Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::message::Raw;
use common::results::Stored;
use common::worker::Worker;
use tests::{python, redis};

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[actor(store_results = true, max_retries = 0)]
fn halve(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd, \u{e9}")) }
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
    let worker = Worker::new(broker.clone()).actors(actors![halve]);
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

print(halve.send(10).get_result(block=True, timeout=30_000))
try:
    print(halve.send(7).get_result(block=True, timeout=30_000))
except ResultFailure as failure:
    print(failure.orig_exc_type, failure.orig_exc_msg)
";
    let said = tokio::task::spawn_blocking(move || python::with_broker(script, &url, &namespace)).await.unwrap();
    assert_eq!(said, "5\nString 7 is odd, \u{e9}\n");
    stopper.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_reads_what_a_python_worker_stored() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let module = "
import os, dramatiq
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

backend = RedisBackend(url=os.environ['KIT_REDIS_URL'])
dramatiq.get_broker().add_middleware(Results(backend=backend))

@dramatiq.actor(store_results=True, max_retries=0)
def halve(n):
    if n % 2: raise ValueError('odd')
    return n // 2
";
    let worker = tokio::task::spawn_blocking(move || python::dramatiq(module, &url, &namespace)).await.unwrap();
    let (even, odd) = (halve::send(&broker, 8).await.unwrap(), halve::send(&broker, 9).await.unwrap());
    let stored = broker.wait_for_result(&even, DEADLINE).await.unwrap();
    assert_eq!(stored, Stored::Value(Raw::from(4_u32)));
    let stored = broker.wait_for_result(&odd, DEADLINE).await.unwrap();
    assert_eq!(stored, Stored::Failed { kind: "ValueError".to_owned(), text: "odd".to_owned() });
    drop(worker);
}

/// Python's actors, which Rust sends to, and knows to be on Python's queue.
mod python_side {
    use common::actor;

    #[actor(queue = "python")]
    pub(crate) fn shout(text: String) {
        unreachable!("it runs in Python: {text}");
    }

    #[actor(queue = "python")]
    pub(crate) fn hear_in_python(message: serde_json::Value, about: serde_json::Value) {
        unreachable!("it runs in Python: {message} {about}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actors_of_either_language_hear_of_messages_of_the_other() {
    use python_side::{hear_in_python, shout};

    let (url, namespace) = (redis::url(), redis::namespace());
    let broker = Broker::connect(&format!("{url}?namespace={namespace}")).await.unwrap();
    let (told, heard) = channel::<String>();
    let worker = Worker::new(broker.clone()).actors(actors![halve, hear]).elsewhere(actors![hear_in_python]);
    let worker = worker.lend(Mutex::new(told));
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

@dramatiq.actor(queue_name='python', max_retries=0)
def shout(text):
    if text == 'no': raise ValueError('not so loud')
    return text.upper()
";
    let start = move || python::dramatiq_with(&["--queues", "python"], module, &url, &namespace);
    let python = tokio::task::spawn_blocking(start).await.unwrap();

    for (text, expected) in
        [("hi", r#"shout["hi"] "HI""#), ("no", r#"shout["no"] {"message":"not so loud","type":"ValueError"}"#)]
    {
        shout::message(text).on_success::<hear>().on_failure::<hear>().send(&broker).await.unwrap();
        let line = tokio::task::block_in_place(|| heard.recv_timeout(DEADLINE)).expect("a callback");
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
