//! Runs the experiment, and holds its notes against what it logged.

use common::clock::Timestamp;
use common::message::{Message, MessageId};
use common::queue_name::QueueName;
use common::results::ResultKeys;
use redis::Commands as _;
use tests::lab::Lab;
use tests::log;
use tests::process::{PATIENCE, Process, eventually};
use tests::python;

/// Stand for the ids of two messages, in the notes.
const IDS: [&str; 2] = ["e27a1c89-3350-4d0d-90b0-f08e52f0a8c6", "5d0f64b2-0a4e-4bb6-9c59-7b3f4a0a2f1e"];

/// A program of Python's that sends to the worker, and reads what it keeps.
const READER: &str = r#"import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url="redis://localhost:6379", namespace="dramatiq")
broker.add_middleware(Results(backend=RedisBackend(url="redis://localhost:6379")))
dramatiq.set_broker(broker)

@dramatiq.actor
def halve(n): ...    # it runs in Rust

print(halve.send(8).get_result(block=True, timeout=20_000))
try:
    halve.send(7).get_result(block=True, timeout=20_000)
except ResultFailure as failure:
    print("failed:", failure.orig_exc_type, failure.orig_exc_msg)
"#;

fn lab() -> Lab {
    Lab::new("e06_results")
}

/// The id of the message that a command says that it sent.
fn id(process: &Process) -> String {
    let line = process.wait_for_line(" with id ");
    line.rsplit(' ').next().expect("an id").to_owned()
}

/// The key of the result of the message to `halve` that has this id.
fn key(id: &str) -> String {
    let message = Message::new(QueueName::default(), "halve", [], Timestamp::from_millis(0));
    ResultKeys::default().of(&Message { message_id: MessageId::from(id), ..message })
}

#[test]
fn the_notes_quote_values_and_failures() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let asked = [lab.run(&["ask", "8", "20"]), lab.run(&["ask", "7", "20"])];
    let ids = [id(&asked[0]), id(&asked[1])];
    let results = [lab.run(&["result", &ids[0]]), lab.run(&["result", &ids[1]])];

    let mut redis = tests::redis::connection();
    let mut shown = String::new();
    for (id, stand_in) in ids.iter().zip(IDS) {
        let key = key(id);
        let values: Vec<String> = redis.lrange(&key, 0, -1).expect("a result");
        let millis: i64 = redis.pttl(&key).expect("its time");
        assert!((1..=60_000).contains(&millis), "kept for {millis} ms more");
        shown += &format!("list  {}  expires within a minute\n    {}\n", self::key(stand_in), values.join(" "));
    }
    lab.pin("redis", &shown);

    lab.stop(&worker);
    let mut known = lab.ids();
    for (name, asked) in ["ask", "ask_odd"].into_iter().zip(&asked) {
        lab.pin(name, &log::tidy(&asked.stderr(), &mut known));
    }
    lab.pin("worker", &log::tidy(&worker.lines(), &mut known));
    for (index, name) in ["value", "failure"].into_iter().enumerate() {
        let tidy = log::tidy(&results[index].stdout(), &mut known);
        lab.pin(name, &tidy.replace(&key(&ids[index]), &key(IDS[index])));
    }
}

#[test]
fn the_notes_quote_what_comes_too_late_and_what_is_gone() {
    let lab = lab();
    let asked = lab.run(&["ask", "8", "1"]);
    let id = id(&asked);
    let waits = lab.ended(&["result", &id]);
    let short_lived = lab.run(&["halve", "10", "--option", "result_ttl=1"]).stdout().concat();
    let worker = lab.worker(&["--threads", "2"]);
    let is_kept = || Some(lab.ended(&["result", &id])).filter(|result| result.wait().success());
    let result = eventually(PATIENCE, is_kept).expect("it is run, and its result is kept");
    let is_gone = |process: &Process| process.lines().iter().any(|line| line.contains("a message"));
    let gone = eventually(PATIENCE, || Some(lab.ended(&["result", &short_lived])).filter(is_gone));
    let gone = gone.expect("its time is over");
    lab.stop(&worker);

    let mut known = lab.ids();
    lab.pin("timeout", &log::tidy(&asked.stderr(), &mut known));
    lab.pin("not_yet", &log::tidy(&waits.stderr(), &mut known));
    lab.pin("later", &log::tidy(&result.stdout(), &mut known).replace(&key(&id), "…"));
    lab.pin("gone", &log::tidy(&gone.stderr(), &mut known));
}

#[test]
fn the_notes_quote_who_does_not_wait() {
    let lab = lab();
    let asked = lab.run(&["ask_double", "8"]).stderr();
    let worker = lab.worker(&["--threads", "1"]);
    worker.wait_for_line("done in");
    lab.stop(&worker);
    let mut known = lab.ids();
    lab.pin("not_kept", &log::tidy(&asked, &mut known));
    lab.pin("lost", &log::tidy(&worker.lines(), &mut known));
}

#[test]
fn the_notes_quote_what_python_reads() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let script = lab.python(READER);
    let output = python::run(&script, &[]);
    assert!(output.status.success(), "{}\n{worker}", String::from_utf8_lossy(&output.stderr));
    lab.pin("reader", READER);
    lab.pin("python", &String::from_utf8_lossy(&output.stdout));
}
