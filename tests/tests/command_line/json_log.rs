//! `--log-format json`: what a program reads from a worker.

use crate::{ERRORS, experiment::Experiment, nowhere, with_broker};
use serde_json::Value;
use tests::process::{self, Process};

/// The lines of a log, of which each has to be an object with what every line has.
fn objects(process: &Process) -> Vec<Value> {
    let lines: Vec<Value> = process.stderr().iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["time"].is_string() && line["level"].is_string()), "{lines:?}");
    lines
}

#[test]
fn every_line_of_a_worker_is_an_object() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start(&["worker", "--log-format", "json"]);
    worker.wait_for_line("ready: ");
    let id = experiment.send(&["handled", "17"]);
    worker.wait_for_line("done in");
    worker.interrupt();
    assert!(worker.wait().success());
    let lines = objects(&worker);
    let of_the_run: Vec<_> = lines.iter().filter(|line| line["slot"] == 1).collect();
    let texts: Vec<_> = of_the_run.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(of_the_run.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("attempt 1 starts"), "{texts:?}");
    assert_eq!((texts[1], &of_the_run[1]["level"]), ("17 is not allowed; dropping the message", &Value::from("warn")));
    assert!(texts[2].starts_with("done in"), "{texts:?}");
    let fields = &of_the_run[2]["fields"];
    assert!(fields["outcome"] == "done" && fields["milliseconds"].is_f64(), "{fields}");
    for line in of_the_run {
        assert_eq!(line["queue"], "default");
        assert_eq!((&line["actor"], &line["attempt"]), (&Value::from("handled"), &Value::from(1)));
        assert_eq!(line["call"], "handled(17)");
        let full = line["message_id"].as_str().unwrap();
        assert!(full.len() == 36 && full.starts_with(&id), "{full} is {id} in full");
    }
}

#[test]
fn a_failure_names_its_actor_and_its_message_where_runs_are_not_logged() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start_with(&["worker", "--log-format", "json"], &[("RUST_LOG", "info")]);
    worker.wait_for_line("ready: ");
    experiment.send(&["handled", "3"]);
    let id = experiment.send(&["unhandled", "17"]);
    worker.wait_for_line("attempt 1 failed");
    worker.interrupt();
    assert!(worker.wait().success());
    let lines = objects(&worker);
    let failure = lines.iter().find(|line| line["level"] == "warn").unwrap();
    assert_eq!((&failure["actor"], &failure["queue"]), (&Value::from("unhandled"), &Value::from("default")));
    assert_eq!((&failure["attempt"], &failure["call"]), (&Value::from(1), &Value::from("unhandled(17)")));
    assert!(failure["message_id"].as_str().unwrap().starts_with(&id), "{failure}");
    let fields = &failure["fields"];
    assert_eq!((&fields["outcome"], &fields["error"]), (&Value::from("failed"), &Value::from("17 is not allowed")));
    assert!(fields["milliseconds"].as_f64().unwrap() < 60_000.0, "{fields}");
    assert!(!lines.iter().any(|line| line["level"] == "debug"), "{worker}");
}

#[test]
fn a_worker_that_cannot_start_says_why_in_an_object() {
    let url = nowhere();
    let worker = with_broker(&["worker", "--log-format", "json"], &url);
    assert_eq!(worker.wait().code(), Some(3), "{worker}");
    let lines = objects(&worker);
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["message"].as_str().unwrap().contains(&url), "{last}");
}

#[test]
fn the_demonstration_is_logged_as_objects_too() {
    let demo = Process::start(&process::binary(ERRORS), &["demo", "--log-format", "json"], &[]);
    assert!(demo.wait().success(), "{demo}");
    let lines = objects(&demo);
    assert!(lines.iter().any(|line| line["call"] == "unhandled(17)" && line["attempt"] == 4), "{demo}");
}
