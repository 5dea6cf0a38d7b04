//! What a worker needs as a service: options by the environment, a pid file, a log file, and a broker that comes later.

use crate::{ERRORS, experiment::Experiment, nowhere, with_broker};
use std::fs;
use tests::{
    process::{self, PATIENCE, Process, eventually},
    proxy::Proxy,
    redis,
};

/// A worker that is told by its environment.
fn told(envs: &[(&str, &str)]) -> Process {
    Experiment::of_the_lab(ERRORS).start_with(&["worker"], envs)
}

#[test]
fn every_option_can_be_a_variable_and_what_is_typed_counts_more() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start_with(&["worker"], &[("WORKER_THREADS", "3"), ("WORKER_QUEUES", "default")]);
    worker.wait_for_line("on queue default; 3 slots");
    let worker = experiment.start_with(&["worker", "--threads", "2"], &[("WORKER_THREADS", "3")]);
    worker.wait_for_line("on queue default; 2 slots");
    let envs = [("WORKER_PROCESSES", "2"), ("WORKER_THREADS", "1"), ("LOG_FORMAT", "json")];
    let supervisor = experiment.start_with(&["worker"], &envs);
    let line = supervisor.wait_for_line("ready: 2 processes");
    assert!(line.starts_with('{'), "{supervisor}");
    // What is empty names nothing.
    told(&[("WORKER_THREADS", ""), ("dramatiq_queue_prefetch", "0")]).wait_for_line("; 8 slots");
}

#[test]
fn a_wrong_value_is_said_with_the_name_of_its_variable() {
    for (name, value, said) in [
        ("WORKER_THREADS", "many", "the variable WORKER_THREADS: invalid value 'many' for '--threads <N>'"),
        (
            "WORKER_SHUTDOWN_TIMEOUT",
            "5",
            "the variable WORKER_SHUTDOWN_TIMEOUT: invalid value '5' for '--shutdown-timeout <TIME>'",
        ),
        ("WORKER_MAX_MEMORY", "1T", "the variable WORKER_MAX_MEMORY: invalid value '1T' for '--max-memory <SIZE>'"),
        ("LOG_FORMAT", "xml", "the variable LOG_FORMAT: invalid value 'xml' for '--log-format <FORMAT>'"),
        (
            "dramatiq_queue_prefetch",
            "-1",
            "the variable dramatiq_queue_prefetch: invalid value '-1' for '--prefetch <N>'",
        ),
    ] {
        let worker = told(&[(name, value)]);
        assert_eq!(worker.wait().code(), Some(2), "{worker}");
        worker.wait_for_line(said);
    }
}

#[test]
fn a_pid_file_tells_the_process_and_keeps_a_second_one_out() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.pid");
    let file = path.to_str().unwrap();
    let worker = experiment.worker(&["--pid-file", file]);
    assert_eq!(fs::read_to_string(&path).unwrap(), worker.id().to_string());
    let second = experiment.start(&["worker", "--pid-file", file]);
    assert_eq!(second.wait().code(), Some(4), "{second}");
    second.wait_for_line(&format!("process {} runs already", worker.id()));
    // One that was killed leaves its file behind, which the next one replaces: a supervisor, which is the one to be told.
    worker.kill();
    worker.wait();
    assert!(path.exists());
    let supervisor = experiment.start(&["worker", "--processes", "2", "--pid-file", file]);
    supervisor.wait_for_line("ready: 2 processes");
    assert_eq!(fs::read_to_string(&path).unwrap(), supervisor.id().to_string());
    supervisor.terminate();
    assert_eq!(supervisor.wait().code(), Some(0), "{supervisor}");
    assert!(!path.exists());
    fs::write(&path, "my notes").unwrap();
    let refused = experiment.start(&["worker", "--pid-file", file]);
    assert_eq!(refused.wait().code(), Some(4), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "my notes");
}

#[test]
fn a_log_file_gets_all_lines_also_after_it_was_moved_away() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("worker.log"), folder.path().join("worker.log.1"));
    let worker = experiment.start(&["worker", "--log-file", path.to_str().unwrap()]);
    let seen = |path: &std::path::Path, text: &str| {
        let there = || fs::read_to_string(path).ok().filter(|log| log.contains(text));
        let found = eventually(PATIENCE, there);
        found.unwrap_or_else(|| panic!("no `{text}` in {}: {worker}", path.display()))
    };
    seen(&path, "ready: ");
    fs::rename(&path, &old).unwrap();
    let id = experiment.send(&["handled", "3"]);
    let log = seen(&path, "done in");
    assert!(log.contains(&id) && !log.contains("ready: "), "{log}");
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    assert!(worker.stderr().is_empty(), "{worker}");
    assert!(fs::read_to_string(&path).unwrap().contains("stopped: "));
    let refused = experiment.start(&["worker", "--log-file", folder.path().to_str().unwrap()]);
    assert_eq!(refused.wait().code(), Some(2), "{refused}");
    refused.wait_for_line("cannot be written");
}

#[test]
fn a_worker_waits_for_its_broker_as_long_as_it_is_told_to() {
    // A Redis that is away until its link is mended.
    let proxy = Proxy::to(nowhere().trim_start_matches("redis://"));
    let url = format!("{}?namespace={}", proxy.url(), redis::namespace());
    let worker = with_broker(&["worker", "--wait-for-broker", "1m"], &url);
    worker.wait_for_line("; trying again, for ");
    proxy.redirect(redis::url().trim_start_matches("redis://"));
    worker.wait_for_line("ready: ");
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    let impatient = with_broker(&["worker", "--wait-for-broker", "10ms"], &nowhere());
    assert_eq!(impatient.wait().code(), Some(3), "{impatient}");
    let stopped = with_broker(&["worker", "--wait-for-broker", "1h"], &nowhere());
    stopped.wait_for_line("; trying again, for ");
    stopped.terminate();
    assert_eq!(stopped.wait().code(), Some(0), "{stopped}");
}

#[test]
fn a_program_tells_its_version() {
    let version = Process::start(&process::binary("tasks"), &["--version"], &[]);
    assert_eq!(version.wait().code(), Some(0), "{version}");
    assert_eq!(version.stdout(), [format!("tasks {}", env!("CARGO_PKG_VERSION"))]);
}
