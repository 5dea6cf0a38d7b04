//! Runs the experiment, and holds its notes against what it logged.

use tests::lab::Lab;
use tests::log;
use tests::process::{self, PATIENCE, Process};

fn lab() -> Lab {
    Lab::new("e09_time_limits")
}

/// Waits until so many lines have this.
fn until(worker: &Process, text: &str, count: usize) {
    let there = || (worker.lines().iter().filter(|line| line.contains(text)).count() >= count).then_some(());
    assert!(process::eventually(PATIENCE, there).is_some(), "{text}: {worker}");
}

/// The lines that are the same each time: how many steps fit into a second is not.
fn without_steps(worker: &Process) -> Vec<String> {
    worker.lines().into_iter().filter(|line| !line.contains("  step ")).collect()
}

#[test]
fn the_notes_quote_an_async_run_that_is_dropped() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "1"]);
    lab.run(&["wait", "60"]);
    until(&worker, "gave up", 1);
    lab.stop(&worker);
    lab.pin("wait", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
fn the_notes_quote_a_run_that_looks_whether_it_should_end() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "1"]);
    lab.run(&["count", "1000"]);
    until(&worker, "gave up", 1);
    lab.stop(&worker);
    lab.pin("count", &log::tidy(&without_steps(&worker), &mut lab.ids()));
}

#[test]
fn the_notes_quote_a_thread_that_is_stuck() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    lab.run(&["block", "15"]);
    until(&worker, "gave up", 1);
    lab.settle(&worker);
    lab.run(&["news", "slot 1 works"]);
    // The store has forgotten the other run by the time that it ends.
    until(&worker, "done in", 2);
    lab.stop(&worker);
    lab.pin("block", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
fn the_notes_quote_a_worker_whose_slots_are_all_stuck() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "1"]);
    lab.run(&["block", "600"]);
    worker.wait_for_line("starts");
    lab.run(&["news", "for another worker"]);
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    let queues = lab.run(&["queues"]);
    let mut ids = lab.ids();
    lab.pin("stuck", &log::tidy(&worker.lines(), &mut ids));
    lab.pin("queues", &log::tidy(&queues.stdout(), &mut ids));
}

#[test]
fn the_notes_quote_what_is_too_old() {
    let lab = lab();
    lab.run(&["news", "old", "--delay", "3s"]);
    let worker = lab.worker(&["--threads", "1"]);
    until(&worker, "not run", 1);
    lab.stop(&worker);
    lab.pin("old", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
fn the_notes_quote_a_run_that_is_told_of_a_stop() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "1"]);
    lab.run(&["carry_on", "30"]);
    until(&worker, "step 1", 1);
    worker.interrupt();
    assert!(worker.wait().success(), "{worker}");
    let next = lab.worker(&["--threads", "1"]);
    until(&next, "done in", 1);
    lab.stop(&next);
    let mut ids = lab.ids();
    lab.pin("stopped", &log::tidy(&without_steps(&worker), &mut ids));
    lab.pin("next", &log::tidy(&without_steps(&next), &mut ids));
}
