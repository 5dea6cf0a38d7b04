//! `worker --processes`: several processes that are seen to, and what makes one of them be replaced.

use crate::{ERRORS, SOON, experiment::Experiment, nowhere, with_broker};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use tests::process::{PATIENCE, Process, eventually};

/// The processes that a supervisor runs, in the order of their start.
fn children(supervisor: u32) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
    let lists = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    let mut children: Vec<i32> =
        lists.flat_map(|list| list.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect();
    children.sort_unstable();
    children.into_iter().filter_map(Pid::from_raw).collect()
}

fn is_gone(id: Pid) -> bool {
    test_kill_process(id).is_err()
}

/// A supervisor of two workers, which are ready.
fn supervisor(experiment: &Experiment, args: &[&str]) -> Process {
    let supervisor = experiment.start(&[&["worker", "--processes", "2", "--threads", "1"], args].concat());
    supervisor.wait_for_line("ready: 2 processes");
    supervisor
}

#[test]
fn what_a_killed_process_ran_is_run_by_another_and_the_process_replaced() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = supervisor(&experiment, &[]);
    let first = children(supervisor.id());
    assert_eq!(first.len(), 2, "{supervisor}");
    let naps = [experiment.send(&["nap", "2"]), experiment.send(&["nap", "2"])];
    for nap in &naps {
        supervisor.wait_for("its start", |line| line.contains(nap) && line.contains("attempt 1 starts"));
    }
    kill_process(first[0], Signal::KILL).unwrap();
    supervisor.wait_for_line("has ended (signal 9); another one takes its place now");
    for nap in &naps {
        supervisor.wait_for("its end", |line| line.contains(nap) && line.contains("done in"));
    }
    let replaced = eventually(PATIENCE, || Some(children(supervisor.id())).filter(|now| now.len() == 2));
    let now = replaced.unwrap_or_else(|| panic!("it is not replaced: {supervisor}"));
    assert!(now.contains(&first[1]) && !now.contains(&first[0]), "{first:?} {now:?}");
    supervisor.terminate();
    assert_eq!(supervisor.wait().code(), Some(0), "{supervisor}");
    assert!(now.into_iter().all(is_gone), "{supervisor}");
    assert_eq!(experiment.stored(), 0, "{supervisor}");
}

#[test]
fn a_first_signal_lets_all_end_what_they_run_and_a_second_one_requeues_it() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = supervisor(&experiment, &[]);
    let short = experiment.send(&["nap", "1"]);
    let long = experiment.send(&["nap", "600"]);
    for nap in [&short, &long] {
        supervisor.wait_for("its start", |line| line.contains(nap) && line.contains("attempt 1 starts"));
    }
    supervisor.interrupt();
    supervisor.wait_for("its end", |line| line.contains(&short) && line.contains("done in"));
    // What is not stored yet would be requeued with the other one.
    let stored = eventually(PATIENCE, || (experiment.stored() == 1).then_some(()));
    assert!(stored.is_some() && supervisor.ended().is_none(), "{supervisor}");
    supervisor.interrupt();
    assert_eq!(supervisor.wait().code(), Some(1), "{supervisor}");
    assert_eq!(experiment.stored(), 1, "{supervisor}");
}

#[test]
fn a_killed_supervisor_leaves_no_orphan() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = supervisor(&experiment, &[]);
    let id = Pid::from_raw(supervisor.id().try_into().unwrap()).unwrap();
    let workers = children(supervisor.id());
    kill_process(id, Signal::KILL).unwrap();
    let gone = eventually(PATIENCE, || workers.iter().all(|id| is_gone(*id)).then_some(()));
    assert!(gone.is_some(), "{workers:?} go on: {supervisor}");
}

#[test]
fn what_keeps_a_worker_from_starting_ends_the_supervisor_with_its_code() {
    let supervisor = with_broker(&["worker", "--processes", "2"], &nowhere());
    assert_eq!(supervisor.wait().code(), Some(3), "{supervisor}");
    supervisor.wait_for_line("no broker answers at");
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = experiment.start(&["worker", "--processes", "2", "--queues", "hihg"]);
    assert_eq!(supervisor.wait().code(), Some(2), "{supervisor}");
    let supervisor = with_broker(&["worker", "--processes", "2"], "memory:");
    assert_eq!(supervisor.wait().code(), Some(2), "{supervisor}");
    supervisor.wait_for_line("`memory:` is one process only");
}

#[test]
fn a_worker_that_has_run_enough_is_replaced_and_nothing_runs_twice() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = supervisor(&experiment, &["--max-messages", "5"]);
    let first = children(supervisor.id());
    let sender = experiment.start(&["handled", "3", "--times", "40"]);
    assert!(sender.wait().success(), "{sender}");
    let ids = sender.stdout();
    for id in &ids {
        supervisor.wait_for("its end", |line| line.contains(&id[..8]) && line.contains("done in"));
    }
    supervisor.wait_for_line("has run enough; worker 3 takes its place");
    let gone = eventually(PATIENCE, || first.iter().any(|id| is_gone(*id)).then_some(()));
    assert!(gone.is_some(), "{supervisor}");
    supervisor.terminate();
    assert_eq!(supervisor.wait().code(), Some(0), "{supervisor}");
    let runs = supervisor.stderr().iter().filter(|line| line.contains("attempt 1 starts")).count();
    assert_eq!((runs, ids.len()), (40, 40), "{supervisor}");
    let wrong = supervisor.stderr().iter().any(|line| line.contains("WARN") || line.contains("ERROR"));
    assert!(!wrong, "{supervisor}");
}

#[test]
fn a_worker_without_a_supervisor_ends_when_it_has_run_enough() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let sender = experiment.start(&["handled", "3", "--times", "10"]);
    assert!(sender.wait().success(), "{sender}");
    let worker = experiment.worker(&["--max-messages", "10"]);
    worker.wait_for_line("10 runs: another process is to take over");
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    assert_eq!(experiment.stored(), 0, "{worker}");
    // Any process has more memory than that.
    let worker = experiment.worker(&["--max-memory", "1M"]);
    worker.wait_for_line("MB of memory: another process is to take over");
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
}

#[test]
fn each_line_says_which_process_speaks() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let supervisor = supervisor(&experiment, &["--log-format", "json"]);
    let id = experiment.send(&["handled", "3"]);
    let line = supervisor.wait_for("its end", |line| line.contains(&id) && line.contains("done in"));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["process"] == 1 || line["process"] == 2, "{line}");
    supervisor.terminate();
    assert_eq!(supervisor.patient(SOON).wait().code(), Some(0));
}
