//! Runs the experiment, and holds its notes against what it logged.

use std::time::Duration;

use tests::lab::Lab;
use tests::log;
use tests::process::Process;

fn lab() -> Lab {
    Lab::new("e02_error_handling")
}

/// How often it is tried to send the nap in time.
const TRIES: usize = 10;

/// Sends what is handled and what is not, and asks for what becomes of it.
fn errors(lab: &Lab) -> (Process, [(&'static str, Process); 4]) {
    let worker = lab.worker(&["--threads", "2"]);
    let ends = |call: &str| {
        worker.wait_for(call, |line| line.contains(call) && line.contains("done in"));
        lab.settle(&worker);
    };
    lab.run(&["handled", "3"]);
    ends("handled(3)");
    lab.run(&["handled", "17"]);
    ends(" handled(17)");
    lab.run(&["unhandled", "3"]);
    ends("unhandled(3)");
    lab.run(&["unhandled", "17"]);
    // The slot that failed is free, so the nap takes it; the retry finds it busy and takes the other one.
    worker.wait_for_line("slot 1 is free");
    lab.settle(&worker);
    lab.run(&["nap", "2.5"]);
    let last = worker.wait_for("the last retry", |line| line.contains("retry 3 of 3"));
    let id = last.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = id.expect("the message's id");
    lab.settle(&worker);
    let show = lab.run(&["show", id]);
    worker.wait_for_line("gave up after 4 attempts");
    lab.stop(&worker);
    let list = lab.run(&["dead", "list"]);
    let requeue = lab.run(&["dead", "requeue", id]);
    let cancel = lab.run(&["cancel", id]);
    (worker, [("show", show), ("dead", list), ("requeue", requeue), ("cancel", cancel)])
}

/// Whether the nap began before the second attempt and was over before the third one, and `show` came a second before the fourth one. A
/// sender takes longer to start while the machine is busy.
fn is_in_time(worker: &Process, show: &Process) -> bool {
    let lines = worker.lines();
    let at = |call: &str, what: &str| lines.iter().position(|line| line.contains(call) && line.contains(what));
    let at = |call, what| at(call, what).unwrap_or_else(|| panic!("{call} {what}: {worker}"));
    let (woke, third) = (at("nap(2.5)", "done in"), at("unhandled(17)", "attempt 3 starts"));
    let slept = at("nap(2.5)", "starts") < at("unhandled(17)", "attempt 2 starts") && woke < third;
    // Its slot is free a moment after that.
    slept
        && log::between(&lines[woke], &lines[third]) > Duration::from_millis(50)
        && show.stdout().iter().any(|line| line.starts_with("due ") && line.ends_with(" s"))
}

#[test]
fn the_notes_quote_how_errors_are_handled() {
    let mut tries = (0..TRIES).map(|_| {
        let lab = lab();
        let (worker, asked) = errors(&lab);
        (lab, worker, asked)
    });
    let in_time = tries.find(|(_, worker, asked)| is_in_time(worker, &asked[0].1));
    let (lab, worker, asked) = in_time.expect("one of the tries");
    let mut ids = lab.ids();
    lab.pin("worker", &log::tidy(&worker.lines(), &mut ids));
    for (name, done) in asked {
        lab.pin(name, &log::tidy(&done.stdout(), &mut ids));
    }
}

#[test]
fn the_notes_quote_how_a_delayed_message_runs() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let sender = lab.run(&["handled", "3", "--delay", "2s"]);
    worker.wait_for_line("done in");
    lab.stop(&worker);
    let mut ids = lab.ids();
    assert_eq!(log::tidy(&sender.stdout(), &mut ids), "m1\n");
    lab.pin("delayed", &log::tidy(&worker.lines(), &mut ids));
}
