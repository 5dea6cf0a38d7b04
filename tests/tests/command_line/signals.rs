//! Signals of all kinds and at all times, and what a worker inherits.

use crate::{ERRORS, HELLO, SOON, experiment::Experiment};
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};
use tests::process::{PATIENCE, Process, eventually};

#[test]
fn a_closed_terminal_lets_what_runs_end_however_often_it_is_told() {
    let experiment = Experiment::of_the_lab(HELLO);
    let worker = experiment.worker(&[]);
    let id = experiment.send(&["count_to", "4"]);
    worker.wait_for("the second number", |line| line.contains(&id) && line.ends_with("  2"));
    // The system tells it, and the shell does.
    worker.hang_up();
    worker.wait_for_line("shutting down");
    worker.hang_up();
    worker.wait_for("its end", |line| line.contains(&id) && line.contains("done in"));
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    assert_eq!(experiment.stored(), 0, "{worker}");
}

#[test]
fn ctrl_c_after_a_closed_terminal_is_more_urgent() {
    let experiment = Experiment::of_the_lab(HELLO);
    let worker = experiment.worker(&[]);
    let id = experiment.send(&["count_to", "100"]);
    worker.wait_for("the first number", |line| line.contains(&id) && line.ends_with("  1"));
    worker.hang_up();
    worker.wait_for_line("shutting down");
    worker.interrupt();
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    assert_eq!(experiment.stored(), 1, "{worker}");
}

/// A worker of an experiment whose parent ignored these signals.
fn under(ignored: &str, experiment: &Experiment) -> Process {
    let script = format!("trap '' {ignored}; exec \"$@\"");
    let program = experiment.program.display().to_string();
    let args = ["-c", &script, "sh", &program, "worker", "--broker", &experiment.broker()];
    let worker = Process::start(Path::new("sh"), &args, &[]);
    worker.wait_for_line("ready: ");
    worker
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored_and_sigterm_never_is() {
    let experiment = Experiment::of_the_lab(ERRORS);
    // As under `nohup`; as with `&` in a script; and both.
    for (ignored, sent) in [
        ("HUP", &[Process::hang_up as fn(&Process)][..]),
        ("INT QUIT", &[Process::interrupt]),
        ("INT HUP TERM", &[Process::hang_up, Process::interrupt]),
    ] {
        let worker = under(ignored, &experiment);
        for send in sent {
            send(&worker);
        }
        let id = experiment.send(&["handled", "3"]);
        worker.wait_for("its run", |line| line.contains(&id) && line.contains("done in"));
        worker.terminate();
        assert_eq!(worker.wait().code(), Some(0), "{worker}");
    }
}

#[test]
fn a_worker_that_is_told_to_end_in_its_first_moment_ends_well() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let folder = tempfile::tempdir().unwrap();
    // It reads its time zone before anything is logged, and here it has to wait for that.
    let zone = folder.path().join("zone");
    assert!(Command::new("mkfifo").arg(&zone).status().unwrap().success());
    for tell in [Process::terminate, Process::interrupt, Process::hang_up] {
        let args = ["worker", "--broker", &experiment.broker()];
        let worker = Process::start(&experiment.program, &args, &[("TZ", zone.to_str().unwrap())]);
        // To open it for writing waits for the reader.
        let writer = File::options().write(true).open(&zone).unwrap();
        tell(&worker);
        drop(writer);
        assert_eq!(eventually(SOON, || worker.ended()).and_then(|ended| ended.code()), Some(0), "{worker}");
        worker.wait_for_line("stopped before it had a broker");
        assert_eq!(worker.stderr().len(), 1, "{worker}");
    }
}

#[test]
fn a_worker_that_waits_for_its_database_ends_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.db");
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let program = tests::process::binary(ERRORS);
    let url = format!("sqlite:{}", path.display());
    for tell in [Process::terminate, Process::interrupt] {
        let worker = Process::start(&program, &["worker", "--broker", &url], &[]);
        // It holds the file open now, and waits.
        let opens = || {
            let open = fs::read_dir(format!("/proc/{}/fd", worker.id())).into_iter().flatten().flatten();
            open.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == path).then_some(())
        };
        assert!(eventually(PATIENCE, opens).is_some(), "{worker}");
        tell(&worker);
        assert_eq!(eventually(SOON, || worker.ended()).and_then(|ended| ended.code()), Some(0), "{worker}");
    }
}
