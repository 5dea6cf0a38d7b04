//! A log that nobody reads, or that can't be written.

use crate::{ERRORS, SOON, experiment::Experiment};
use common::{broker::Broker, message::Raw};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
};
use tempfile::TempDir;
use tests::process::{PATIENCE, Process, eventually};
use tests::queue::message;
use tokio::runtime::Builder;

/// Their lines are more than what waits for a reader.
const MANY: usize = 6_000;

/// The lines of a run: it starts, speaks, and is done.
const LINES: usize = 3;

/// Starts a worker whose stderr is what a shell makes of `redirection`, `$LOG` being a path.
fn worker(experiment: &Experiment, redirection: &str, log: &Path, args: &[&str]) -> Process {
    let script = format!("exec \"$@\" {redirection}");
    let (program, broker) = (experiment.program.display().to_string(), experiment.broker());
    let args = [&["-c", &script, "sh", &program, "worker", "--broker", &broker], args].concat();
    Process::start(Path::new("sh"), &args, &[("LOG", log.to_str().unwrap())])
}

/// Sends many messages, and waits until all of them have run.
fn run_many(experiment: &Experiment, worker: &Process) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let url = experiment.broker();
    let broker = runtime.block_on(Broker::builder().namespace(&experiment.namespace).connect(&url)).unwrap();
    let handled = |number: usize| message("handled", [Raw::from(u32::try_from(number % 10).unwrap())]);
    broker.enqueue_blocking((0..MANY).map(handled).collect()).unwrap();
    let all_ran = || (experiment.stored() == 0).then_some(());
    assert!(eventually(PATIENCE, all_ran).is_some(), "{} messages are left\n{worker}", experiment.stored());
}

/// A pipe with a name, and a reader who does not read.
fn pipe() -> (TempDir, std::path::PathBuf, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both, nobody waits for anybody.
    let reader = File::options().read(true).write(true).open(&path).unwrap();
    (folder, path, reader)
}

#[test]
fn a_worker_whose_log_nobody_reads_works_on_and_ends_when_it_is_told_to() {
    let experiment = Experiment::of_the_lab(ERRORS);
    for (format, tell) in [("text", Process::terminate as fn(&Process)), ("json", Process::interrupt)] {
        let (_folder, path, _reader) = pipe();
        let worker = worker(&experiment, "2>\"$LOG\"", &path, &["--log-format", format]);
        run_many(&experiment, &worker);
        tell(&worker);
        let ended = eventually(SOON, || worker.ended());
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "with a log of {format}\n{worker}");
    }
}

#[test]
fn what_nobody_read_is_counted_where_it_is_missing() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let (_folder, path, reader) = pipe();
    let worker = worker(&experiment, "2>\"$LOG\"", &path, &[]);
    run_many(&experiment, &worker);
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let mut read = 0;
    let gap = loop {
        let line = lines.next().unwrap();
        if line.contains("left out here") {
            break line;
        }
        read += 1;
    };
    let words: Vec<&str> = gap.split_whitespace().collect();
    assert_eq!((words[1], words[2], words[4]), ("WARN", "log", "lines"), "{gap}");
    // Where it is, and that it is ready.
    let expected = 2 + LINES * MANY;
    assert_eq!(read + words[3].parse::<usize>().unwrap(), expected, "{gap}");
    // From there on, all is said again.
    let id = experiment.send(&["handled", "3"]);
    let mut of_the_run = lines.by_ref().filter(|line| line.contains(&id));
    assert!(of_the_run.next().unwrap().contains("attempt 1 starts"));
    assert!(of_the_run.next().unwrap().contains("3 is fine"));
    assert!(of_the_run.next().unwrap().contains("done in"));
    worker.terminate();
    assert!(lines.any(|line| line.contains("shutting down")));
    assert!(lines.any(|line| line.contains("stopped: running messages finished")));
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
}

#[test]
fn in_a_log_that_is_read_nothing_is_missing() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.worker(&[]);
    run_many(&experiment, &worker);
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    let lines = worker.stderr();
    assert!(lines.last().unwrap().contains("stopped: running messages finished"), "{:?}", lines.last());
    assert_eq!(lines.len(), 2 + LINES * MANY + 2);
    // What a slot says is in order.
    let mut last = vec![String::new(); 9];
    for line in lines.iter().filter(|line| line.contains(" slot ")) {
        let slot: usize = line.split_whitespace().skip_while(|word| *word != "slot").nth(1).unwrap().parse().unwrap();
        let step = if line.contains("attempt 1 starts") {
            "starts"
        } else if line.contains("done in") {
            "done"
        } else {
            "speaks"
        };
        let before = match step {
            "starts" => ["", "done"].as_slice(),
            "speaks" => &["starts"],
            _ => &["speaks"],
        };
        assert!(before.contains(&last[slot].as_str()), "after {}: {line}", last[slot]);
        step.clone_into(&mut last[slot]);
    }
}

#[test]
fn a_log_that_can_not_be_written_stops_nobody() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let (_folder, path, reader) = pipe();
    // A full disk; nothing at all; and a reader that has gone.
    let full = worker(&experiment, "2>/dev/full", &path, &[]);
    run_many(&experiment, &full);
    full.terminate();
    assert_eq!(full.wait().code(), Some(0));
    let closed = worker(&experiment, "2>&-", &path, &[]);
    run_many(&experiment, &closed);
    closed.terminate();
    assert_eq!(closed.wait().code(), Some(0));
    let gone = worker(&experiment, "2>\"$LOG\"", &path, &[]);
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ready: ")));
    drop(lines);
    run_many(&experiment, &gone);
    gone.terminate();
    assert_eq!(gone.wait().code(), Some(0));
}
