//! Python's workers and messages, on the Redis that they share.

use crate::backend::{Backend, short};
use serde_json::json;
use tests::{
    process::{PATIENCE, Process, eventually},
    python,
};

/// The actors that hold messages, and fail; in a queue of their own, which no worker of ours takes from.
const ACTORS: &str = "
import os, time
import dramatiq
from kit_broker import broker

@dramatiq.actor(queue_name='snakes', max_retries=3, min_backoff=3600000)
def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)

@dramatiq.actor(queue_name='snakes', max_retries=3, min_backoff=3600000, max_backoff=7200000)
def fail(why):
    raise ValueError(why)
";

fn worker(backend: &Backend) -> Process {
    let worker = python::dramatiq(ACTORS, &tests::redis::url(), &backend.namespace);
    worker.wait_for_line("Worker process is ready for action.");
    worker
}

/// Sends a message as Python does, and returns its id.
fn send(backend: &Backend, actor: &str, argument: &str) -> String {
    let script = format!(
        "from dramatiq import Message\n\
         message = Message(queue_name='snakes', actor_name='{actor}', args=('{argument}',), kwargs={{}}, options={{}})\n\
         kit_broker.broker.declare_queue('snakes')\n\
         kit_broker.broker.enqueue(message)\n\
         print(message.message_id)"
    );
    python::with_broker(&script, &tests::redis::url(), &backend.namespace).trim().to_owned()
}

#[test]
fn a_worker_of_python_is_shown_with_what_it_holds() {
    let backend = Backend::redis();
    let python = worker(&backend);
    let id = send(&backend, "hold", &backend.gate("gate"));
    let seen = backend.wait_until(&id, "running");
    let holder = seen["worker"].as_str().unwrap();
    let text = format!("it does not wait: Python's worker {} runs it, or is about to", short(holder));
    assert_eq!(seen["explanation"]["text"], json!(text));

    let seen = backend.json(&["queues"]);
    let workers = seen["workers"].as_array().unwrap();
    let shown = workers.iter().find(|worker| worker["id"] == holder).unwrap();
    assert_eq!((&shown["python"], &shown["queues"], &shown["alive"]), (&json!(true), &json!(null), &json!(true)));
    assert_eq!((&shown["claims"][0]["message_id"], &shown["claims"][0]["actor"]), (&json!(id), &json!("hold")));
    let said = backend.says(&["queues"]);
    assert!(said.contains("(Python)") && said.contains(&format!("hold {}", short(&id))), "{said}");

    let said = backend.says(&["cancel", &id]);
    assert!(said.contains(&format!(" is with Python's worker {}, which cannot hear of this", short(holder))), "{said}");
    let (kind, text) = backend.explain(&id);
    let expected = format!("it is cancelled, but Python's worker {} holds it, and cannot be told", short(holder));
    assert_eq!((kind, text), ("cancelled".to_owned(), expected));
    let said = backend.says(&["pause", "snakes"]);
    assert!(said.contains("Python's workers know of no pause, and go on."), "{said}");
    backend.open("gate");
    let is_gone = || (backend.asks(&["show", &id]).1 == 1).then_some(());
    assert!(eventually(PATIENCE, is_gone).is_some(), "{python}");
}

#[test]
fn a_message_that_python_retries_is_found_by_its_id() {
    let backend = Backend::redis();
    let _python = worker(&backend);
    let id = send(&backend, "fail", "17 is not allowed");
    // It has another name by then.
    let retried = || {
        let (json, _) = backend.asks(&["show", short(&id)]);
        Some(json["messages"][0].clone()).filter(|seen| seen["retries"] == 1)
    };
    let seen = eventually(PATIENCE, retried).expect("a retry");
    assert_eq!((&seen["message_id"], &seen["queue"]), (&json!(id), &json!("snakes")));
    assert!(seen["last_error"].as_str().unwrap().starts_with("Traceback (most recent call last):"), "{seen:#}");
    // A worker of Python holds what is delayed.
    let said = backend.says(&["show", &id]);
    assert!(said.contains("ValueError: 17 is not allowed"), "{said}");
}

/// Puts messages with these ids, which belong to nobody, into a queue that nobody takes from.
fn send_ids(backend: &Backend, ids: &str) {
    let script = format!(
        "from dramatiq import Message\n\
         kit_broker.broker.declare_queue('ids')\n\
         for id in {ids}:\n    \
             kit_broker.broker.enqueue(Message(queue_name='ids', actor_name='any', args=(), kwargs={{}}, options={{}}, message_id=id))"
    );
    let _ = python::with_broker(&script, &tests::redis::url(), &backend.namespace);
}

#[test]
fn what_python_keeps_until_its_time_is_delayed_and_cannot_be_cancelled() {
    let backend = Backend::redis();
    let python = worker(&backend);
    let script = "from dramatiq import Message\n\
         import time\n\
         message = Message(queue_name='snakes', actor_name='hold', args=('gate',), kwargs={}, options={})\n\
         kit_broker.broker.declare_queue('snakes')\n\
         print(kit_broker.broker.enqueue(message, delay=3600000).message_id)";
    let id = python::with_broker(script, &tests::redis::url(), &backend.namespace).trim().to_owned();
    let holds = || {
        let queues = backend.json(&["queues"]);
        queues["workers"].as_array().unwrap().iter().find(|worker| !worker["claims"][0].is_null()).cloned()
    };
    let holder = eventually(PATIENCE, holds).unwrap_or_else(|| panic!("nobody takes it\n{python}"));
    let seen = backend.show(&id);
    assert_eq!((&seen["state"], &seen["explanation"]["kind"]), (&json!("delayed"), &json!("not_due")));
    assert_eq!(backend.json(&["queues"])["queues"][0]["delayed"], 1);
    let json = backend.json(&["cancel", &id]);
    let cancelled = &json["cancelled"][0];
    assert_eq!((&cancelled["was"], &cancelled["python"]), (&json!("delayed"), &json!(true)));
    assert_eq!(cancelled["worker"], holder["id"]);
    let said = backend.says(&["cancel", &id]);
    assert!(said.contains("which cannot hear of this: it is run then"), "{said}");
    let said = backend.says(&["purge", "snakes", "--yes"]);
    let kept = "0 messages of queue snakes deleted; what runs or is dead stays. So does 1 delayed message that";
    assert!(said.starts_with(kept), "{said}");
}

#[test]
fn an_id_that_is_the_start_of_another_one_is_meant_as_a_whole() {
    let backend = Backend::redis();
    // Python stores each under a random UUID, which is looked at as well, and begins with none of these letters.
    send_ids(&backend, "['m', 'mn', 'mo', 'w']");
    assert_eq!(backend.show("m")["message_id"], "m");
    let said = backend.says(&["cancel", "m"]);
    assert!(said.contains("any() was ready"), "{said}");
    backend.says(&["cancel", "mn"]);
    backend.says(&["cancel", "mo"]);
    backend.says(&["cancel", "w"]);
    // What is not clear keeps nothing else from being done, and is told.
    backend.says(&["dead", "requeue", "m"]);
    let requeue = backend.run(&["dead", "requeue", "m", "w"]);
    assert_eq!(requeue.wait().code(), Some(1), "{requeue}");
    requeue.wait_for_line("2 messages have an id that starts with m; `dead show` tells which");
    requeue.wait_for_line("1 dead letter is ready again");
    assert_eq!(backend.show("w")["state"], "ready");
}

#[test]
fn an_id_commands_no_terminal() {
    let backend = Backend::redis();
    send_ids(&backend, r"['\x1b[2J', '\x1b[2K']");
    for command in [&["show", "\u{1b}[2"][..], &["cancel", "\u{1b}[2J"], &["dead", "list"]] {
        let process = backend.run(command);
        process.wait();
        let lines = process.lines();
        assert!(lines.iter().any(|line| line.contains("\\u{1b}[2")), "{process}");
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{process}");
    }
}

#[test]
fn of_pythons_workers_nothing_is_claimed_that_they_do_not_show() {
    let backend = Backend::redis();
    let _python = worker(&backend);
    let id = backend.send(&["mail", "1"]);
    let (kind, text) = backend.explain(&id);
    let expected = "it waits because no worker of Rust takes from queue mail, and Python's do not tell";
    assert_eq!((&*kind, &*text), ("no_worker", expected));
}
