//! What becomes of a killed worker's message.

use std::time::{Duration, Instant};

use tests::process::{self, Process};
use tests::redis;

/// Promised are five seconds; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(8);

#[expect(clippy::disallowed_methods, reason = "a test measures what a user would notice")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn another_worker_runs_a_killed_workers_message_within_seconds() {
    let broker = format!("{}?namespace={}", redis::url(), redis::namespace());
    let start = |args: &[&str]| {
        let args = [args, &["--broker", &broker]].concat();
        Process::start(&process::binary("e02_error_handling"), &args, &[])
    };
    let victim = start(&["worker", "--threads", "1"]);
    victim.wait_for_line("ready:");
    assert!(start(&["nap", "2"]).wait().success());
    let line = victim.wait_for_line("attempt 1 starts");
    let heir = start(&["worker"]);
    heir.wait_for_line("ready:");
    victim.kill();
    let died = now();
    let again = heir.wait_for_line("attempt 1 starts");
    assert!(died.elapsed() < SOON, "after {:?}", died.elapsed());
    let id = |line: &str| line.split_whitespace().nth(3).map(str::to_owned);
    assert_eq!(id(&again), id(&line), "the same message");
    heir.wait_for_line("done in");
    heir.interrupt();
    assert!(heir.wait().success());
}
