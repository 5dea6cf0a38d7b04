//! Runs the experiment, and holds its notes against what it logged.

use tests::lab::Lab;
use tests::log;

fn lab() -> Lab {
    Lab::new("e02_error_handling")
}

#[test]
fn the_notes_quote_how_errors_are_handled() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let ends = |call: &str| worker.wait_for(call, |line| line.contains(call) && line.contains("done in"));
    lab.run(&["handled", "3"]);
    ends("handled(3)");
    lab.run(&["handled", "17"]);
    ends(" handled(17)");
    lab.run(&["unhandled", "3"]);
    ends("unhandled(3)");
    lab.run(&["unhandled", "17"]);
    // The slot that failed is free, so the nap takes it; the retry finds it busy and takes the other one.
    worker.wait_for_line("slot 1 is free");
    lab.run(&["nap", "2.5"]);
    let last = worker.wait_for("the last retry", |line| line.contains("retry 3 of 3"));
    let id = last.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = id.expect("the message's id");
    let show = lab.run(&["show", id]);
    worker.wait_for_line("gave up after 4 attempts");
    lab.stop(&worker);
    let list = lab.run(&["dead", "list"]);
    let requeue = lab.run(&["dead", "requeue", id]);
    let cancel = lab.run(&["cancel", id]);

    let mut ids = lab.ids();
    lab.pin("worker", &log::tidy(&worker.lines(), &mut ids));
    for (name, done) in [("show", show), ("dead", list), ("requeue", requeue), ("cancel", cancel)] {
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
