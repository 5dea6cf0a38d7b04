//! What `worker --metrics` serves: numbers that are right, and the health of a worker.

use crate::{ERRORS, experiment::Experiment};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};
use tests::process::{PATIENCE, Process, eventually};

/// The status and the body of what is answered at this path.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The numbers that are served, by name and labels.
fn numbers(address: &str) -> BTreeMap<String, f64> {
    let (status, body) = get(address, "/metrics").unwrap();
    assert_eq!(status, 200, "{body}");
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Where a worker serves.
fn address(worker: &Process) -> String {
    let line = worker.wait_for_line("/metrics, /live and /ready");
    line.split_once("http://").unwrap().1.split_once('/').unwrap().0.to_owned()
}

/// Waits until a number is that high.
fn wait_for(address: &str, name: &str, value: f64) -> BTreeMap<String, f64> {
    let mut last = BTreeMap::new();
    let seen = eventually(PATIENCE, || {
        let numbers = numbers(address);
        numbers.get(name).is_some_and(|is| *is >= value).then_some(numbers)
    });
    seen.unwrap_or_else(|| {
        last.extend(numbers(address));
        panic!("{name} does not become {value}: {last:#?}")
    })
}

fn of(metric: &str, actor: &str) -> String {
    format!("{metric}{{queue_name=\"default\",actor_name=\"{actor}\"}}")
}

/// Sends so many, and waits until they are sent.
fn send(experiment: &Experiment, call: &[&str]) {
    let sender = experiment.start(call);
    assert!(sender.wait().success(), "{sender}");
}

#[test]
fn the_numbers_are_those_of_what_ran() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start(&["worker", "--metrics", "127.0.0.1:0"]);
    let address = address(&worker);
    worker.wait_for_line("ready: ");
    send(&experiment, &["handled", "3", "--times", "20"]);
    send(&experiment, &["unhandled", "17", "--option", "max_retries=1", "--option", "min_backoff=1"]);
    send(&experiment, &["handled", "3", "--delay", "1h"]);
    send(&experiment, &["nap", "600"]);
    wait_for(&address, &of("dramatiq_messages_total", "handled"), 20.0);
    wait_for(&address, &of("dramatiq_message_rejects_total", "unhandled"), 1.0);
    wait_for(&address, &of("dramatiq_messages_inprogress", "nap"), 1.0);
    let numbers = wait_for(&address, "tasks_queue_messages{queue_name=\"default\",state=\"dead\"}", 1.0);
    let number = |name: &str| numbers.get(name).copied();
    assert_eq!(number(&of("dramatiq_messages_total", "handled")), Some(20.0));
    assert_eq!(number(&of("dramatiq_message_errors_total", "handled")), Some(0.0));
    // Two attempts: one is tried again, the other one is a dead letter.
    for (metric, value) in
        [("messages", 2.0), ("message_errors", 2.0), ("message_retries", 1.0), ("message_rejects", 1.0)]
    {
        assert_eq!(number(&of(&format!("dramatiq_{metric}_total"), "unhandled")), Some(value), "{metric}");
    }
    assert_eq!(number(&of("dramatiq_messages_inprogress", "handled")), Some(0.0));
    assert_eq!(number(&of("dramatiq_message_duration_milliseconds_count", "handled")), Some(20.0));
    let slow =
        "dramatiq_message_duration_milliseconds_bucket{queue_name=\"default\",actor_name=\"handled\",le=\"+Inf\"}";
    assert_eq!(number(slow), Some(20.0), "{numbers:#?}");
    assert_eq!(number("dramatiq_delayed_messages_inprogress{queue_name=\"default\"}"), Some(1.0));
    assert_eq!(number("tasks_queue_messages{queue_name=\"default\",state=\"running\"}"), Some(1.0));
    assert_eq!((number("tasks_lost_claims_total"), number("tasks_dropped_reports_total")), (Some(0.0), Some(0.0)));
}

#[test]
fn health_follows_the_broker_and_the_worker() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start(&["worker", "--metrics", "127.0.0.1:0"]);
    let address = address(&worker);
    let status = |path: &str| get(&address, path).map(|(status, _)| status);
    let becomes = |path: &str, wanted: u16| {
        let seen = eventually(PATIENCE, || (status(path) == Some(wanted)).then_some(()));
        assert!(seen.is_some(), "{path} does not become {wanted}: {worker}");
    };
    becomes("/ready", 200);
    becomes("/live", 200);
    assert_eq!(status("/else"), Some(404));
    send(&experiment, &["nap", "600"]);
    worker.wait_for_line("attempt 1 starts");
    // It goes on until its run has ended, and takes no more.
    worker.terminate();
    becomes("/ready", 503);
    assert_eq!(status("/live"), Some(200));
}

#[test]
fn the_numbers_of_several_processes_are_one_sum_which_outlives_them() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let args = ["worker", "--processes", "2", "--threads", "1", "--max-messages", "10", "--metrics", "127.0.0.1:0"];
    let supervisor = experiment.start(&args);
    let address = address(&supervisor);
    supervisor.wait_for_line("ready: 2 processes");
    assert_eq!(get(&address, "/ready").unwrap().0, 200);
    send(&experiment, &["handled", "3", "--times", "60"]);
    // By then some have been replaced, and what they had counted is told with the rest.
    supervisor.wait_for_line("has run enough; worker 3 takes its place");
    let numbers = wait_for(&address, &of("dramatiq_messages_total", "handled"), 60.0);
    assert_eq!(numbers.get(&of("dramatiq_messages_total", "handled")), Some(&60.0), "{numbers:#?}");
    let queues = wait_for(&address, "tasks_queue_messages{queue_name=\"default\",state=\"ready\"}", 0.0);
    assert!(queues.contains_key("tasks_lost_claims_total"));
    supervisor.terminate();
    assert_eq!(supervisor.wait().code(), Some(0), "{supervisor}");
    let wrong = supervisor.stdout();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn an_address_that_makes_no_sense_or_is_taken_is_refused() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let first = experiment.start(&["worker", "--metrics", "127.0.0.1:0"]);
    let taken = address(&first);
    let second = experiment.start(&["worker", "--metrics", &taken]);
    assert_eq!(second.wait().code(), Some(2), "{second}");
    second.wait_for_line(&format!("the metrics cannot be served on {taken}"));
    let wrong = experiment.start(&["worker", "--metrics", "everywhere"]);
    assert_eq!(wrong.wait().code(), Some(2), "{wrong}");
    wrong.wait_for_line("an address is `127.0.0.1:9191`");
    let dramatiqs = [("dramatiq_prom_host", "127.0.0.1"), ("dramatiq_prom_port", "0")];
    let worker = experiment.start_with(&["worker", "--metrics"], &dramatiqs);
    assert!(address(&worker).starts_with("127.0.0.1:"), "{worker}");
}
