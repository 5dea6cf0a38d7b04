//! Runs the experiment, and holds its notes against what it logged.

use std::path::Path;

use tests::log::{self, Ids};
use tests::process::Process;

const EXPERIMENT: &str = "e02_error_handling";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_e02_error_handling"))
}

/// The experiment on a Redis, in a namespace of its own.
struct Lab {
    url: String,
    namespace: String,
    broker: String,
}

impl Lab {
    fn new() -> Self {
        let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
        let broker = format!("{url}?namespace={namespace}");
        Self { url, namespace, broker }
    }

    fn start(&self, args: &[&str]) -> Process {
        Process::start(program(), &[args, &["--broker", &self.broker]].concat(), &[])
    }

    fn worker(&self) -> Process {
        let worker = self.start(&["worker", "--threads", "2"]);
        worker.wait_for_line("ready:");
        worker
    }

    /// Sends a message, or does something else that ends by itself.
    fn send(&self, args: &[&str]) -> Process {
        let sender = self.start(args);
        assert!(sender.wait().success(), "{:?}", sender.lines());
        sender
    }
}

#[test]
fn the_notes_quote_how_errors_are_handled() {
    let lab = Lab::new();
    let worker = lab.worker();
    let ends = |call: &str| worker.wait_for(call, |line| line.contains(call) && line.contains("done in"));
    lab.send(&["handled", "3"]);
    ends("handled(3)");
    lab.send(&["handled", "17"]);
    ends(" handled(17)");
    lab.send(&["unhandled", "3"]);
    ends("unhandled(3)");
    lab.send(&["unhandled", "17"]);
    // The slot that failed is free, so the nap takes it; the retry finds it busy and takes the other one.
    worker.wait_for_line("slot 1 is free");
    lab.send(&["nap", "2.5"]);
    let last = worker.wait_for("the last retry", |line| line.contains("retry 3 of 3"));
    let id = last.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = id.expect("the message's id");
    let show = lab.send(&["show", id]);
    worker.wait_for_line("gave up after 4 attempts");
    log::stop(&worker, program(), &lab.broker);
    let list = lab.send(&["dead", "list"]);
    let requeue = lab.send(&["dead", "requeue", id]);
    let cancel = lab.send(&["cancel", id]);

    let mut ids = Ids::new(&lab.url, &lab.namespace);
    log::pin(EXPERIMENT, "worker", &log::tidy(&worker.lines(), &mut ids));
    for (name, done) in [("show", show), ("dead", list), ("requeue", requeue), ("cancel", cancel)] {
        log::pin(EXPERIMENT, name, &log::tidy(&done.stdout(), &mut ids));
    }
}

#[test]
fn the_notes_quote_how_a_delayed_message_runs() {
    let lab = Lab::new();
    let worker = lab.worker();
    let sender = lab.send(&["handled", "3", "--delay", "2s"]);
    worker.wait_for_line("done in");
    log::stop(&worker, program(), &lab.broker);
    let mut ids = Ids::new(&lab.url, &lab.namespace);
    assert_eq!(log::tidy(&sender.stdout(), &mut ids), "m1\n");
    log::pin(EXPERIMENT, "delayed", &log::tidy(&worker.lines(), &mut ids));
}
