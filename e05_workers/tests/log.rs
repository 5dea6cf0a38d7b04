//! Runs the experiment, and holds its notes against what it logged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use tests::lab::Lab;
use tests::log;
use tests::process::{self, PATIENCE, Process};

fn lab() -> Lab {
    Lab::new("e05_workers")
}

/// The id that a sender of one message printed.
fn id(sender: &Process) -> String {
    sender.stdout().pop().expect("a sender prints an id")
}

/// How many runs have ended.
fn ended(worker: &Process) -> usize {
    worker.lines().iter().filter(|line| line.contains("done in")).count()
}

/// Waits until so many runs have ended.
fn until_ended(worker: &Process, runs: usize) {
    assert!(process::eventually(PATIENCE, || (ended(worker) >= runs).then_some(())).is_some(), "{worker}");
}

/// The line with which a run of this call starts.
fn start(worker: &Process, call: &str) -> String {
    worker.wait_for(call, |line| line.contains(call) && line.contains("starts"))
}

/// Which slots ran something, and how many runs each of them had; what ran at the same time at most; and how long all of it took.
struct Shares {
    runs: BTreeMap<String, usize>,
    at_once: usize,
    took: Duration,
}

impl Shares {
    fn of(lines: &[String]) -> Self {
        let (mut runs, mut now, mut at_once) = (BTreeMap::new(), BTreeSet::new(), 0);
        let lines: Vec<_> = lines.iter().filter(|line| line.contains(" starts") || line.contains(" done in")).collect();
        for line in &lines {
            let words: Vec<_> = line.split_whitespace().skip_while(|word| *word != "slot").collect();
            if line.contains(" starts") {
                *runs.entry(words[1].to_owned()).or_default() += 1;
                now.insert(words[2]);
                at_once = at_once.max(now.len());
            } else {
                now.remove(words[2]);
            }
        }
        let [first, .., last] = lines.as_slice() else { panic!("nothing ran") };
        Self { runs, at_once, took: log::between(first, last) }
    }
}

#[test]
fn the_notes_count_how_ten_share_the_slots() {
    let count = |call: &'static str, threads: &'static str| {
        let lab = lab();
        lab.run(&[call, "1", "--times", "10"]);
        let worker = lab.worker(&["--threads", threads]);
        until_ended(&worker, 10);
        lab.stop(&worker);
        let Shares { runs, at_once, took } = Shares::of(&worker.lines());
        let rounds = runs.values().max().copied().unwrap_or_default();
        assert!(took >= Duration::from_secs(rounds as u64) - Duration::from_millis(5), "{took:?}\n{worker}");
        format!("{:<10}  {threads:>7}  {at_once:>12}  {rounds:>16}\n", format!("{call} 1"))
    };
    let cases = [("nap", "1"), ("nap", "2"), ("nap", "8"), ("wait", "2"), ("wait", "8")];
    let rows = std::thread::scope(|scope| {
        let counts = cases.map(|(call, threads)| scope.spawn(move || count(call, threads)));
        counts.map(|count| count.join().expect("a row"))
    });
    let mut table = "TEN TIMES   THREADS  RUN AT ONCE  RUNS OF ONE SLOT\n".to_owned();
    for row in rows {
        let _ = write!(table, "{row}");
    }
    lab().pin("threads", &table);
}

#[test]
fn the_notes_quote_two_slots() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    lab.run(&["nap", "4"]);
    start(&worker, "nap(4.0)");
    lab.run(&["nap", "1", "--times", "2"]);
    until_ended(&worker, 3);
    lab.stop(&worker);
    lab.pin("slots", &log::tidy(&worker.lines(), &mut lab.ids()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_slot_that_naps_has_a_thread_and_one_that_waits_has_none() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "100"]);
    let threads = || {
        let status = fs::read_to_string(format!("/proc/{}/status", worker.id())).expect("the worker runs");
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("a line");
        line.trim().parse::<usize>().expect("a number")
    };
    let before = threads();
    lab.run(&["wait", "1", "--times", "100"]);
    until_ended(&worker, 100);
    let waited = threads();
    assert!(waited < before + 20, "{before} threads, and {waited} after 100 waits");
    lab.run(&["nap", "1", "--times", "100"]);
    until_ended(&worker, 200);
    let napped = threads();
    assert!(napped > waited + 50, "{waited} threads, and {napped} after 100 naps");
    lab.stop(&worker);
}

#[test]
fn the_notes_quote_who_runs_what_beside_a_long_run() {
    let lab = lab();
    let first = lab.worker(&["--threads", "1"]);
    lab.run(&["nap", "6"]);
    start(&first, "nap(6.0)");
    let second = lab.worker(&["--threads", "1"]);
    lab.run(&["nap", "0.1", "--times", "5"]);
    until_ended(&second, 5);
    until_ended(&first, 1);
    lab.stop(&second);
    lab.stop(&first);
    let mut ids = lab.ids();
    lab.pin("first", &log::tidy(&first.lines(), &mut ids));
    lab.pin("second", &log::tidy(&second.lines(), &mut ids));
}

#[test]
fn the_notes_quote_what_waits_in_a_worker_behind_a_long_run() {
    let lab = lab();
    let first = lab.worker(&["--threads", "1", "--prefetch", "5"]);
    lab.run(&["nap", "6"]);
    start(&first, "nap(6.0)");
    let short = lab.run(&["nap", "0.1", "--times", "5"]);
    let running = || {
        let queues = lab.run(&["queues"]).stdout();
        queues.iter().any(|line| line.starts_with("default ") && line.contains(" 6 ")).then_some(queues)
    };
    let queues = process::eventually(PATIENCE, running).expect("it fetches all of them");
    let second = lab.worker(&["--threads", "1"]);
    // A second later, so that it is told in seconds how long ago it was sent.
    let show = process::eventually(PATIENCE, || {
        let show = lab.run(&["show", &id(&short)]).stdout();
        show.iter().any(|line| line.ends_with(" s ago")).then_some(show)
    });
    until_ended(&first, 6);
    lab.stop(&second);
    lab.stop(&first);
    let mut ids = lab.ids();
    lab.pin("prefetching", &log::tidy(&first.lines(), &mut ids));
    lab.pin("idle", &log::tidy(&second.lines(), &mut ids));
    // The workers below stand in no order that can be told.
    let queues: Vec<_> = queues.into_iter().take_while(|line| !line.is_empty()).collect();
    lab.pin("queues", &log::tidy(&queues, &mut ids));
    lab.pin("show", &log::tidy(&show.expect("it was sent"), &mut ids));
}

#[test]
fn the_notes_quote_a_worker_of_one_queue() {
    let lab = lab();
    let all = lab.worker(&["--threads", "1"]);
    lab.run(&["nap", "4"]);
    start(&all, "nap(4.0)");
    lab.run(&["mail", "ada"]);
    until_ended(&all, 2);
    lab.run(&["nap", "4"]);
    let starts = || all.lines().iter().filter(|line| line.contains("starts")).count();
    assert!(process::eventually(PATIENCE, || (starts() == 3).then_some(())).is_some(), "{all}");
    let fast = lab.worker(&["--threads", "1", "--queues", "mail"]);
    lab.run(&["mail", "bob"]);
    until_ended(&fast, 1);
    until_ended(&all, 3);
    lab.stop(&fast);
    lab.stop(&all);
    let mut ids = lab.ids();
    lab.pin("all", &log::tidy(&all.lines(), &mut ids));
    lab.pin("mail", &log::tidy(&fast.lines(), &mut ids));
}
