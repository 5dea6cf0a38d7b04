//! Runs the experiment, and holds its notes against what it logged.

use std::path::Path;

use tests::log::{self, Ids};
use tests::process::Process;

const EXPERIMENT: &str = "e02_error_handling";

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
        let program = Path::new(env!("CARGO_BIN_EXE_e02_error_handling"));
        Process::start(program, &[args, &["--broker", &self.broker]].concat(), &[])
    }

    fn worker(&self) -> Process {
        let worker = self.start(&["worker", "--threads", "2"]);
        worker.wait_for_line("ready:");
        worker
    }

    /// Sends a message, and waits until its sender has ended.
    fn send(&self, args: &[&str]) -> Process {
        let sender = self.start(args);
        assert!(sender.wait().success(), "{:?}", sender.lines());
        sender
    }
}

impl Lab {
    /// A command as it is typed, and what it prints.
    fn look(&self, args: &[&str]) -> Vec<String> {
        let command = self.send(args);
        std::iter::once(format!("$ {}", args.join(" ")))
            .chain(command.stdout().iter().map(|line| in_five_minutes(line)))
            .collect()
    }
}

/// What is due in five minutes was sent some seconds ago.
fn in_five_minutes(line: &str) -> String {
    (40..60).fold(line.to_owned(), |line, seconds| line.replace(&format!("4 min {seconds} s"), "5 min"))
}

fn stop(worker: &Process) {
    worker.interrupt();
    assert!(worker.wait().success(), "{:?}", worker.lines());
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
    worker.wait_for_line("gave up after 4 attempts");
    stop(&worker);
    let mut ids = Ids::new(&lab.url, &lab.namespace);
    log::pin(EXPERIMENT, "worker", &log::tidy(&worker.lines(), &mut ids));

    // No worker is left, so what is sent waits.
    let id = ids_in(&worker, "gave up after 4 attempts");
    let mut inside = lab.look(&["dead", "list"]);
    inside.extend(lab.look(&["dead", "requeue", &id]));
    inside.extend(lab.look(&["show", &id]));
    let delayed = lab.send(&["handled", "3", "--delay", "5m"]).stdout().remove(0);
    inside.extend(lab.look(&["show", &delayed]));
    inside.extend(lab.look(&["cancel", &delayed]));
    log::pin(EXPERIMENT, "inside", &log::tidy(&inside, &mut ids));
}

/// The short id in the first line that says this.
fn ids_in(worker: &Process, text: &str) -> String {
    let lines = worker.lines();
    let line = lines.iter().find(|line| line.contains(text)).expect(text);
    line.split_whitespace()
        .find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .expect(line)
        .to_owned()
}

#[test]
fn the_notes_quote_how_a_delayed_message_runs() {
    let lab = Lab::new();
    let worker = lab.worker();
    let sender = lab.send(&["handled", "3", "--delay", "2s"]);
    worker.wait_for_line("done in");
    stop(&worker);
    let mut ids = Ids::new(&lab.url, &lab.namespace);
    assert_eq!(log::tidy(&sender.stdout(), &mut ids), "m1\n");
    log::pin(EXPERIMENT, "delayed", &log::tidy(&worker.lines(), &mut ids));
}
