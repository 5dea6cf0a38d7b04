//! Runs the experiment, and holds its notes against what it logged.

use tests::lab::Lab;
use tests::log;
use tests::process::Process;
use tests::python;

/// Python's worker.
const DOUBLE: &str = r#"import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url="redis://localhost:6379", namespace="dramatiq"))

@dramatiq.actor(queue_name="python")
def double(n):
    print(f"doubling {n}", flush=True)
    return 2 * n

@dramatiq.actor
def announce(n): ...    # the next step; it runs in Rust
"#;

fn lab() -> Lab {
    Lab::new("e07_pipelines_and_groups")
}

/// Waits until the run of a call has ended.
fn ends(worker: &Process, call: &str) {
    worker.wait_for(call, |line| line.contains(call) && line.contains("done in"));
}

#[test]
fn the_notes_quote_a_pipeline() {
    let lab = lab();
    let sum = lab.run(&["sum", "1", "2", "3"]);
    let said = sum.wait_for_line(" with id ");
    let id = said.split_once(" with id ").and_then(|(_, rest)| rest.get(..36)).expect("an id");
    let show = lab.run(&["show", id]);
    let worker = lab.worker(&["--threads", "2"]);
    ends(&worker, "announce(6)");
    lab.settle(&worker);
    lab.run(&["late_sum", "1", "2"]);
    ends(&worker, "announce(0)");
    lab.stop(&worker);

    let mut ids = lab.ids();
    lab.pin("sum", &log::tidy(&sum.stderr(), &mut ids));
    lab.pin("show", &log::tidy(&show.stdout(), &mut ids));
    lab.pin("pipeline", &log::tidy(&worker.lines(), &mut ids));
}

#[test]
fn the_notes_quote_a_step_in_python() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let source = lab.python(DOUBLE);
    let there = python::module("double", &source, &["--queues", "python", "--processes", "1"]);
    there.wait_for_line("Worker process is ready for action.");
    lab.run(&["double_sum", "1", "2"]);
    ends(&worker, "announce(6)");
    there.wait_for_line("doubling 3");
    lab.stop(&worker);

    lab.pin("double", DOUBLE);
    // Its own log has times and process ids in front of each line; what its actor prints has not.
    let printed: Vec<_> = there.lines().into_iter().filter(|line| !line.starts_with('[')).collect();
    lab.pin("python", &printed.join("\n"));
    lab.pin("around_python", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
fn the_notes_quote_who_takes_over() {
    let lab = lab();
    let killed = lab.worker(&["--threads", "1"]);
    lab.run(&["slow_sum", "1", "2", "5"]);
    killed.wait_for("the second step", |line| line.contains("nap(5.0, 3)") && line.contains("attempt 1 starts"));
    killed.kill();
    killed.wait();
    let next = lab.worker(&["--threads", "1"]);
    ends(&next, "announce(3)");
    lab.stop(&next);
    let announced = next.lines().iter().filter(|line| line.contains("it comes to 3")).count();
    assert_eq!(announced, 1, "{next}");

    let mut ids = lab.ids();
    lab.pin("killed", &log::tidy(&killed.lines(), &mut ids));
    lab.pin("next", &log::tidy(&next.lines(), &mut ids));
}

#[test]
fn the_notes_quote_a_group() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "3"]);
    let naps = lab.run(&["naps", "0.5", "1.5", "1"]);
    ends(&worker, "announce(3)");
    lab.stop(&worker);

    let mut ids = lab.ids();
    lab.pin("naps", &log::tidy(&naps.stderr(), &mut ids));
    lab.pin("group", &log::tidy(&with_starts_in_order(worker.lines()), &mut ids));
}

/// Three slots start at the same time, and whoever logs it first is luck.
fn with_starts_in_order(mut lines: Vec<String>) -> Vec<String> {
    let starts = |line: &String| line.contains("attempt 1 starts");
    let first = lines.iter().position(starts).expect("a start");
    let count = lines[first..].iter().take_while(|line| starts(line)).count();
    assert_eq!(count, 3, "they run at once: {lines:#?}");
    lines[first..first + count].sort_by_key(|line| line.split_once("slot").map(|(_, rest)| rest.to_owned()));
    lines
}

#[test]
fn the_notes_quote_a_group_that_stays_open() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "1"]);
    let naps = lab.ended(&["naps", "0.2", "0.1", "-1"]);
    assert_eq!(naps.wait().code(), Some(1), "{naps}");
    worker.wait_for_line("stays open");
    lab.stop(&worker);

    let mut ids = lab.ids();
    lab.pin("open_naps", &log::tidy(&naps.stderr(), &mut ids));
    lab.pin("open", &log::tidy(&worker.lines(), &mut ids));
}
