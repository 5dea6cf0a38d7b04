//! A sender that finds nobody who would take its message says so.

use crate::backend::Backend;

/// What it says then.
const NOBODY: &str = "no worker is alive that takes it, so it waits; to start one: cargo run -p looked_at -- worker";

on_each_store![where_nobody_is_alive_it_is_said_once];

fn where_nobody_is_alive_it_is_said_once(backend: &Backend) {
    let sender = backend.run(&["mail", "1"]);
    sender.wait_for_line(NOBODY);
    let _worker = backend.worker(1);
    let sender = backend.run(&["mail", "2"]);
    assert!(!sender.lines().iter().any(|line| line.contains("no worker")), "{sender}");
}

#[test]
fn where_all_workers_tell_their_queues_one_of_the_right_queue_is_missed() {
    let backend = Backend::sqlite();
    let _elsewhere = backend.worker_of("e01_hello_world");
    backend.run(&["mail", "1"]).wait_for_line(NOBODY);
}

#[test]
fn where_python_may_be_alive_nobody_is_missed() {
    let backend = Backend::redis();
    let _elsewhere = backend.worker_of("e01_hello_world");
    let sender = backend.run(&["mail", "1"]);
    assert!(!sender.lines().iter().any(|line| line.contains("no worker")), "{sender}");
}
