//! Runs the experiment, and holds its notes against what it logged.

use std::time::Duration;

use tests::lab::Lab;
use tests::log;
use tests::process::{self, Process};

fn lab() -> Lab {
    Lab::new("e04_delays_and_schedules")
}

/// The id that a sender printed.
fn id(sender: &Process) -> String {
    sender.stdout().pop().expect("a sender prints an id")
}

/// The line with which a run of this call starts.
fn start(worker: &Process, call: &str) -> String {
    worker.wait_for(call, |line| line.contains(call) && line.contains("starts"))
}

/// How late a run started, as its line says.
fn lag(start: &str) -> Duration {
    let (before, _) = start.split_once(" ms after it was due").expect("it was due");
    let number = before.rsplit(' ').next().and_then(|number| number.parse().ok());
    Duration::from_millis(number.expect("a number"))
}

#[test]
fn the_notes_quote_that_who_is_due_later_runs_later() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let sender = lab.run(&["remind", "tea", "--delay", "4s"]);
    lab.run(&["remind", "coffee"]);
    worker.wait_for("tea", |line| line.contains("tea") && line.contains("done in"));
    lab.stop(&worker);
    let mut ids = lab.ids();
    lab.pin("sender", &log::tidy(&[sender.stderr(), sender.stdout()].concat(), &mut ids));
    lab.pin("worker", &log::tidy(&worker.lines(), &mut ids));
}

#[test]
fn the_notes_quote_where_a_delayed_message_waits() {
    let lab = lab();
    let tea = id(&lab.run(&["remind", "tea", "--delay", "30s"]));
    let queues = lab.run(&["queues"]);
    // A second later, so that it is told in seconds how long ago it was sent.
    let show = process::eventually(process::PATIENCE, || {
        let show = lab.run(&["show", &tea]).stdout();
        show.iter().any(|line| line.ends_with(" s ago")).then_some(show)
    });
    let mut ids = lab.ids();
    lab.pin("queues", &log::tidy(&queues.stdout(), &mut ids));
    lab.pin("show", &log::tidy(&show.expect("it was sent"), &mut ids));
}

#[test]
fn the_notes_quote_what_becomes_of_it_when_workers_stop_and_are_killed() {
    let lab = lab();
    let stopped = lab.worker(&["--threads", "2"]);
    let tea = id(&lab.run(&["remind", "tea", "--delay", "8s"]));
    lab.stop(&stopped);
    let killed = lab.worker(&["--threads", "2"]);
    killed.kill();
    killed.wait();
    let show = lab.run(&["show", &tea]).stdout().concat();
    // Whatever time that took, no worker ever had it.
    assert!(show.contains("none yet") && (show.contains("delayed") || show.contains("ready")), "{show}");
    let next = lab.worker(&["--threads", "2"]);
    next.wait_for_line("done in");
    lab.stop(&next);
    let mut ids = lab.ids();
    lab.pin("stopped", &log::tidy(&stopped.lines(), &mut ids));
    lab.pin("next", &log::tidy(&next.lines(), &mut ids));
}

#[test]
fn the_notes_quote_that_it_is_late_when_no_slot_is_free() {
    let lab = lab();
    lab.run(&["nap", "3"]);
    lab.run(&["remind", "lunch", "--delay", "500ms"]);
    // With one slot, which naps when lunch is due.
    let worker = lab.worker(&["--threads", "1"]);
    worker.wait_for("lunch", |line| line.contains("lunch") && line.contains("done in"));
    lab.stop(&worker);
    let late = lag(&start(&worker, "lunch"));
    assert!(late >= Duration::from_secs(2), "{worker}");
    lab.pin("busy", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
fn the_notes_quote_five_thousand_that_are_not_due() {
    let lab = lab();
    lab.run(&["remind", "someday", "--delay", "1h", "--times", "5000"]);
    lab.run(&["remind", "soon", "--delay", "1s"]);
    let worker = lab.worker(&["--threads", "1"]);
    worker.wait_for_line("done in");
    lab.stop(&worker);
    let queues = lab.run(&["queues"]);
    let mut ids = lab.ids();
    lab.pin("soon", &log::tidy(&worker.lines(), &mut ids));
    lab.pin("many", &log::tidy(&queues.stdout(), &mut ids));
}

#[test]
fn fifty_that_are_due_at_once_all_run_and_none_runs_early() {
    let lab = lab();
    let worker = lab.worker(&[]);
    let sender = lab.run(&["remind", "tea", "--delay", "1s", "--times", "50"]);
    let ids = sender.stdout();
    for id in &ids {
        worker.wait_for(id, |line| line.contains(&id[..8]) && line.contains("done in"));
    }
    lab.stop(&worker);
    let sent = sender.wait_for_line("due at ");
    let due = sent.rsplit(' ').next().expect("a time");
    let starts: Vec<_> = worker.lines().into_iter().filter(|line| line.contains("starts")).collect();
    assert_eq!((ids.len(), starts.len()), (50, 50), "{worker}");
    for start in &starts {
        // One that is early would seem to be late by nearly a day. 2 ms for what is cut off on the way.
        let late = log::between(due, start) + Duration::from_millis(2);
        assert!(late < Duration::from_secs(3_600), "{start}, due at {due}");
        assert!(lag(start) < Duration::from_secs(3_600), "{start}");
    }
}

#[test]
fn the_notes_quote_what_sends_itself_again_and_it_drifts() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    lab.run(&["tick", "4"]);
    worker.wait_for("the last tick", |line| line.contains("tick(1)") && line.contains("done in"));
    lab.stop(&worker);
    let (first, last) = (start(&worker, "tick(4)"), start(&worker, "tick(1)"));
    // Three seconds would be kept time; each tick comes 0.3 s later than that, at least.
    assert!(log::between(&first, &last) >= Duration::from_millis(3_900 - 5), "{worker}");
    lab.pin("tick", &log::tidy(&worker.lines(), &mut lab.ids()));
}
