//! Runs the experiment, and holds its notes against what it logged.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use common::clock::Stopwatch;
use tests::lab::Lab;
use tests::log;
use tests::process::{self, PATIENCE, Process, TEN_SECONDS};

/// How often something is tried that a busy machine can get in the way of.
const TRIES: usize = 20;

fn lab() -> Lab {
    Lab::new("e08_limits")
}

/// A name that nobody else uses, for a counter or a limit: on Redis, the key of a limit has no namespace.
struct Name {
    /// In this test.
    own: String,
    /// In the notes.
    noted: &'static str,
}

impl Name {
    fn new(noted: &'static str) -> Self {
        Self { own: tests::redis::namespace(), noted }
    }

    fn file(&self) -> PathBuf {
        process::binary("e08_limits").with_file_name(format!("{}.count", self.own))
    }

    /// What the counter is at, if it was ever written.
    fn count(&self) -> Option<u32> {
        fs::read_to_string(self.file()).ok().and_then(|text| text.trim().parse().ok())
    }

    /// The lines of a message, in some worker's log.
    fn lines(&self, worker: &Process, id: &str) -> Vec<String> {
        let lines = worker.lines().into_iter().filter(|line| line.contains(&id[..8]));
        lines.map(|line| line.replace(&self.own, self.noted)).collect()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Most are no counters.
        let _: std::io::Result<()> = fs::remove_file(self.file());
    }
}

/// Waits until all of these have ended.
fn until_done(worker: &Process, ids: &[String]) {
    for id in ids {
        worker.wait_for(id, |line| line.contains(&id[..8]) && line.contains("done in"));
    }
}

/// Does something again with another name, until it gives the lines that the notes quote. What has to hold every time, it asserts.
fn tried(noted: &'static str, what: impl Fn(&Name) -> Option<Vec<String>>) -> Vec<String> {
    (0..TRIES).find_map(|_| what(&Name::new(noted))).expect("one of the tries")
}

/// The lines of a message that was put off. How often that happened depends on the machine, so only the first time is told.
fn put_off(mut lines: Vec<String>) -> Option<Vec<String>> {
    let starts: Vec<_> = (0..lines.len()).filter(|at| lines[*at].contains(" starts")).collect();
    assert!(starts.iter().all(|at| lines[*at].contains("attempt 1 starts")), "no retry is spent: {lines:#?}");
    let [first, .., last] = starts[..] else { return None };
    lines.drain(first + 2..last);
    Some(lines)
}

/// Lines without their slots: any of them may take what is sent, or what was put off.
fn without_slots(lab: &Lab, lines: &[String]) -> String {
    let tidy = log::tidy(lines, &mut lab.ids());
    let lines = tidy.lines().map(|line| line.split_once("  m").expect("a line of a run").1);
    lines.map(|line| format!("m{line}\n")).collect()
}

/// Sends something while a counter's mutex is held, and gives its lines.
fn sent_while_held(lab: &Lab, worker: &Process, name: &Name, actor: &str) -> Vec<String> {
    let hold = lab.run(&["hold", &name.own, "2"]).stdout();
    worker.wait_for("holder", |line| line.contains(&hold[0][..8]) && line.contains("to get it took"));
    let ids = lab.run(&[actor, &name.own]).stdout();
    until_done(worker, &[hold, ids.clone()].concat());
    name.lines(worker, &ids[0])
}

#[test]
fn the_notes_quote_an_update_that_is_lost() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let lines = tried("tea", |name| {
        let ids = lab.run(&["add", &name.own, "--times", "2"]).stdout();
        until_done(&worker, &ids);
        let lines = [name.lines(&worker, &ids[0]), name.lines(&worker, &ids[1])].concat();
        (name.count() == Some(1)).then_some(lines)
    });
    lab.pin("lost", &without_slots(&lab, &lines));
}

#[test]
fn the_notes_quote_what_finds_a_mutex_taken() {
    let lab = lab();
    let worker = lab.worker(&["--threads", "2"]);
    let denied = tried("tea", |name| {
        let lines = sent_while_held(&lab, &worker, name, "add_alone");
        assert_eq!(name.count(), Some(1), "{worker}");
        put_off(lines)
    });
    let skipped = tried("tea", |name| {
        let lines = sent_while_held(&lab, &worker, name, "add_or_skip");
        name.count().is_none().then_some(lines)
    });
    lab.pin("denied", &without_slots(&lab, &denied));
    lab.pin("skipped", &without_slots(&lab, &skipped));
}

#[test]
fn four_slots_in_two_workers_lose_no_update_and_spend_no_retry() {
    let (lab, name) = (lab(), Name::new("tea"));
    let workers = [0, 1].map(|_| lab.worker(&["--threads", "2"]));
    let ids = lab.run(&["add_alone", &name.own, "--times", "8"]).stdout();
    let lines = || workers.iter().flat_map(Process::lines).collect::<Vec<_>>();
    let done = || lines().iter().filter(|line| line.contains("done in")).count() >= ids.len();
    assert!(process::eventually(PATIENCE, || done().then_some(())).is_some(), "{workers:?}");
    let lines = lines();
    let numbers = lines.iter().filter_map(|line| line.split_once("it was ")?.1.parse().ok());
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ids.len()).collect::<Vec<_>>(), "{workers:?}");
    assert_eq!(name.count(), Some(8));
    let is_first = |line: &String| line.contains("attempt 1 starts");
    assert!(lines.iter().filter(|line| line.contains(" starts")).all(is_first), "{workers:?}");
}

#[test]
fn the_notes_quote_who_gets_the_mutex_of_one_that_was_killed() {
    let (lab, name) = (lab(), Name::new("tea"));
    let first = lab.worker(&["--threads", "1"]);
    let held = lab.run(&["hold", &name.own, "60"]).stdout();
    first.wait_for_line("to get it took");
    let next = lab.worker(&["--threads", "1"]);
    let waiting = lab.run(&["hold", &name.own, "0.1"]).stdout();
    next.wait_for_line("starts");
    first.kill();
    let killed = Stopwatch::start();
    next.wait_for_line("to get it took");
    assert!(killed.elapsed() < TEN_SECONDS, "{:?} after the death of its holder: {next}", killed.elapsed());
    until_done(&next, &waiting);
    let again = next.wait_for("its message", |line| line.contains(&held[0][..8]) && line.contains("starts"));
    assert!(!again.contains("attempt 2"), "a death is no retry: {again}");
    let mut ids = lab.ids();
    lab.pin("killed", &log::tidy(&name.lines(&first, &held[0]), &mut ids));
    lab.pin("next", &log::tidy(&name.lines(&next, &waiting[0]), &mut ids));
    // It would hold it for a minute.
    next.kill();
}

/// Sends so many at once, which have to take longer than `at_least`, and gives the lines of one that was put off, as the notes quote it.
fn limited(lab: &Lab, actor: &str, times: &str, at_least: Duration, quoted: &str) -> Vec<String> {
    let worker = lab.worker(&["--threads", "4"]);
    tried("ada", |name| {
        let ids = lab.run(&[actor, &name.own, "--times", times]).stdout();
        until_done(&worker, &ids);
        let all: Vec<_> = worker.lines().into_iter().filter(|line| line.contains(&name.own)).collect();
        let ends = all.iter().rfind(|line| line.contains("done in")).expect("they are done");
        let took = log::between(&all[0], ends);
        assert!(took > at_least, "{took:?}: {worker}");
        let mut lines = ids.iter().filter_map(|id| put_off(name.lines(&worker, id)));
        lines.find(|lines| lines[1].contains("put off for") && lines[1].contains(quoted))
    })
}

#[test]
fn the_notes_quote_a_mail_that_is_too_much_for_a_second() {
    let lab = lab();
    // They take four seconds of the clock. Of the first and the last one, as little as a moment may have been needed.
    let lines = limited(&lab, "mail", "8", Duration::from_secs(2), " ms: rate");
    lab.pin("mail", &without_slots(&lab, &lines));
}

#[test]
fn the_notes_quote_who_is_rung_up_a_third_time() {
    let lab = lab();
    // The second in which it was rung up first has to leave the window of five, and that second may have been over soon.
    let lines = limited(&lab, "ring", "3", Duration::from_secs(4), " s: rate");
    lab.pin("ring", &without_slots(&lab, &lines));
}
