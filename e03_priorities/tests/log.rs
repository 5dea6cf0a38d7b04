//! Runs the experiment, and holds its notes against what it logged.

use tests::lab::Lab;
use tests::process::{self, PATIENCE, Process};
use tests::{log, python};

fn lab() -> Lab {
    Lab::new("e03_priorities")
}

/// The id that a sender printed.
fn id(sender: &Process) -> String {
    sender.stdout().pop().expect("a sender prints an id")
}

/// Waits until so many runs have ended.
fn until_ended(worker: &Process, count: usize) {
    let ended = || worker.lines().iter().filter(|line| line.contains("done in")).count() >= count;
    assert!(process::eventually(PATIENCE, || ended().then_some(())).is_some(), "{worker}");
}

/// Waits until so many messages are claimed by workers.
fn until_claimed(lab: &Lab, count: usize) {
    let claimed = || lab.run(&["queues", "--json"]).stdout().concat().contains(&format!("\"running\": {count}"));
    assert!(process::eventually(PATIENCE, || claimed().then_some(())).is_some(), "{count} should be claimed");
}

#[test]
fn the_notes_quote_the_order_of_what_waits() {
    let lab = lab();
    let sweep = id(&lab.run(&["sweep"]));
    lab.run(&["nap", "0.1"]);
    lab.run(&["greet", "ada"]);
    lab.run(&["nap", "0.2", "--priority", "-9"]);
    // A second later, so that it is told in seconds how long ago it was sent.
    let show = process::eventually(PATIENCE, || {
        let show = lab.run(&["show", &sweep]).stdout();
        show.iter().any(|line| line.ends_with(" s ago")).then_some(show)
    });
    // It fetches all at once: else it depends on how long the greeting takes whether the last two are sorted.
    let worker = lab.worker(&["--threads", "1", "--prefetch", "10"]);
    until_ended(&worker, 4);
    lab.stop(&worker);
    let mut ids = lab.ids();
    lab.pin("show", &log::tidy(&show.expect("it was sent"), &mut ids));
    lab.pin("order", &log::tidy(&worker.lines(), &mut ids));
}

#[test]
fn the_notes_quote_what_overtakes_others_in_a_worker() {
    let lab = lab();
    lab.run(&["nap", "4", "--times", "3"]);
    let worker = lab.worker(&["--threads", "1", "--prefetch", "10"]);
    worker.wait_for_line("starts");
    until_claimed(&lab, 3);
    lab.run(&["greet", "ada"]);
    until_ended(&worker, 4);
    lab.stop(&worker);
    lab.pin("overtaken", &log::tidy(&worker.lines(), &mut lab.ids()));
}

/// The question that this experiment begins with.
#[test]
fn a_greeting_behind_a_hundred_naps_is_among_the_next() {
    let lab = lab();
    lab.run(&["nap", "0.1", "--times", "100"]);
    let worker = lab.worker(&["--threads", "1"]);
    worker.wait_for_line("starts");
    lab.run(&["greet", "ada"]);
    worker.wait_for_line("hello, ada");
    let lines = worker.lines();
    let before = lines.iter().take_while(|line| !line.contains("hello, ada"));
    let naps = before.filter(|line| line.contains("nap(0.1)") && line.contains("done in")).count();
    // It takes a sender a moment to start, in which others run.
    assert!(naps < 50, "{naps} of them ran before: {worker}");
    worker.kill();
}

/// The same with dramatiq.
const PYTHON: &str = "
import time
import dramatiq

@dramatiq.actor
def nap(number):
    time.sleep(0.05)
    print('nap', number)

@dramatiq.actor(priority=-5)
def greet(name):
    print('hello,', name)
";

#[test]
fn the_notes_quote_the_same_with_dramatiq() {
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let send = format!("{PYTHON}\nfor number in range(1, 101): nap.send(number)\ngreet.send('ada')\n");
    assert_eq!(python::with_broker(&send, &url, &namespace), "");
    let worker = python::dramatiq_with(&["--threads", "1"], PYTHON, &url, &namespace);
    worker.wait_for_line("hello, ada");
    // The last naps may lie in the worker together with the greeting, which then goes before them.
    let quoted = |line: &String| {
        line.starts_with("hello") || line.starts_with("nap ") && !["nap 99", "nap 100"].contains(&line.as_str())
    };
    let said: Vec<_> = worker.stdout().into_iter().filter(quoted).collect();
    lab().pin("dramatiq", &log::tidy(&said, &mut lab().ids()));
}
