//! Logs as snapshots: what varies between two runs is checked, then replaced; everything else stays, line for line.
//!
//! ```text
//! 12:00:07.104        slot 1  8f14e45f  handled(17)    done in 0.3 ms
//! 12:00:20.002        slot 1  c51ce410  unhandled(17)  retry 1 of 3 in 1.37 s (1 to 2 s); it waits in the broker
//! ```
//!
//! becomes
//!
//! ```text
//!        slot 1  m1  handled(17)    done in … ms
//!        slot 1  m2  unhandled(17)  retry 1 of 3 in 1 to 2 s; it waits in the broker
//! ```
//!
//! | what varies | is checked to be | becomes |
//! | --- | --- | --- |
//! | the time a line begins with | a time of day | nothing |
//! | a message's id: after `slot N` and two spaces, or a whole one anywhere | eight hex digits, or a UUID | `m1`, `m2`, … by first sight |
//! | a back-off, `in 1.37 s (1 to 2 s)` | inside its window | `in 1 to 2 s` |
//! | a duration in ns, µs or ms | below a minute | `… ms` |
//! | a run time, a lag, an age or a rest in seconds: `done in 3.0 s`, `failed after 3.0 s`, `for 6 s by now`, `it is 3 s old`, `took 3.0 s`, `put off for 3 s`, `2.1 s after it was`, `3 s ago`, `is due in 2.1 s`, `not due yet, but in 2.1 s` | below a minute | `… s` |
//! | a time of day inside of a line | a time of day | `hh:mm:ss` |
//! | a worker's id, `worker 8f14e45f` | eight hex digits | `worker w1`, `w2`, … by first sight |
//! | a store's name for a message, `8f14e45f-…#0badcafe` | a UUID and eight hex digits | `m1#…` |
//! | a group's name, `dramatiq:@group:8f14e45f-…` | a UUID | `dramatiq:@group:…` |
//! | `redis://…` | the test's Redis | `redis://localhost:6379` |
//! | a namespace that the kit made | the test's own | `dramatiq` |
//! | `pid 4711` | a number | `pid …` |
//!
//! A check that fails panics. If a line needs a replacement that isn't here, change the line.
//!
//! Where `… ms` is pinned, `… s` is right as well: the machine may be busy.

mod pace;
mod words;

use crate::{
    notes,
    process::{self, PATIENCE, Process},
    workspace,
};
use serde_json::Value;
use std::{fmt::Write, fs, path::Path, time::Duration};

/// What varies in one test: its Redis, its namespace, and the ids of its messages, numbered by first sight.
///
/// One table serves all processes of a test, so that a message is the same `m1` at its sender and at its worker.
#[derive(Debug, Clone)]
pub struct Ids {
    url: String,
    namespace: String,
    /// The first eight characters of the ids seen; the first one is `m1`.
    seen: Vec<String>,
    /// The same of workers; the first one is `w1`.
    workers: Vec<String>,
}

impl Ids {
    /// A table for a test on this Redis, in this namespace.
    #[must_use]
    pub fn new(url: &str, namespace: &str) -> Self {
        Self { url: url.to_owned(), namespace: namespace.to_owned(), seen: Vec::new(), workers: Vec::new() }
    }

    /// The stand-in for an id, of which logs show the first eight characters.
    fn number(&mut self, id: &str) -> String {
        format!("m{}", place(&mut self.seen, &id[..words::SHORT_ID]))
    }

    /// The stand-in for a worker's id.
    fn worker(&mut self, id: &str) -> String {
        format!("w{}", place(&mut self.workers, id))
    }
}

/// Which of those seen this one is, from 1.
fn place(seen: &mut Vec<String>, id: &str) -> usize {
    let known = seen.iter().position(|seen| seen == id);
    let index = known.unwrap_or_else(|| {
        seen.push(id.to_owned());
        seen.len() - 1
    });
    index + 1
}

/// Checks and replaces what varies, in every line that a process printed.
///
/// # Panics
/// When a check fails, with the line.
#[must_use]
pub fn tidy<L: AsRef<str>>(lines: &[L], known_ids: &mut Ids) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let line = line.as_ref();
        let tidied = words::tidy(line, known_ids).unwrap_or_else(|wrong| panic!("{wrong}, in the line\n{line}"));
        // Writing to a string doesn't fail.
        let _: std::fmt::Result = writeln!(text, "{tidied}");
        text
    })
}

/// How much later one line was logged than another, by the times that they begin with; less than a day.
///
/// # Panics
/// When a line begins with no time.
#[must_use]
pub fn between(earlier: &str, later: &str) -> Duration {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let [earlier, later] = [earlier, later].map(|line| words::millis(line).unwrap_or_else(|wrong| panic!("{wrong}")));
    Duration::from_millis((later + DAY - earlier) % DAY)
}

/// Waits until nothing runs any more, on any queue: a run is logged a moment before its slot is free and its end is stored.
///
/// # Panics
/// When something goes on running.
pub fn settle(worker: &Process, program: &Path, broker: &str) {
    let idle = || {
        let queues = Process::start(program, &["queues", "--json", "--broker", broker], &[]);
        queues.wait();
        let queues: Value = serde_json::from_str(&queues.stdout().concat()).ok()?;
        queues["queues"].as_array()?.iter().all(|queue| queue["running"] == 0).then_some(())
    };
    assert!(process::eventually(PATIENCE, idle).is_some(), "{worker}");
}

/// Interrupts an experiment's worker once nothing runs any more, so that its log ends the same way every time; see [`settle`].
///
/// # Panics
/// When something goes on running, or the worker ends with an error.
pub fn stop(worker: &Process, program: &Path, broker: &str) {
    settle(worker, program, broker);
    worker.interrupt();
    assert!(worker.wait().success(), "{worker}");
}

/// Holds a tidy log against the snapshot `tests/snapshots/NAME.snap` of an experiment, and against the excerpt of that name
/// in its notes, where they have one. `UPDATE_NOTES=1` writes both.
///
/// # Panics
/// When one of them differs.
pub fn pin(experiment: &str, name: &str, tidy_log: &str) {
    let folder = workspace::root().join(experiment);
    let snapshots = folder.join("tests").join("snapshots");
    if workspace::updates() {
        // insta is told by a variable of its own, and a test can't set one; so its file is written here, in its form.
        let file = snapshots.join(format!("{name}.snap"));
        let text = format!("---\nsource: {}\n---\n{}\n", file!(), tidy_log.trim_end());
        let written = fs::create_dir_all(&snapshots).and_then(|()| fs::write(&file, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let tidy_log = &as_pinned(&snapshots.join(format!("{name}.snap")), tidy_log);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&snapshots);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, tidy_log));
    if notes::quotes(&folder, name) {
        notes::check(&folder, name, tidy_log);
    }
}

/// A tidy log, with what was slower than when the snapshot was made as it is there.
fn as_pinned(snapshot: &Path, tidy_log: &str) -> String {
    let snapshot = fs::read_to_string(snapshot).unwrap_or_default();
    // Below its head, which is between two lines of dashes.
    let pinned = snapshot.splitn(3, "---\n").nth(2).unwrap_or_default();
    pace::as_pinned(pinned, tidy_log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Ids {
        Ids::new("redis://127.0.0.1:49153", "t-0123456789ab")
    }

    fn tidied(line: &str) -> String {
        tidy(&[line], &mut ids()).trim_end_matches('\n').to_owned()
    }

    #[test]
    fn the_lab_s_log_becomes_stable() {
        let log = [
            "12:00:01.204  broker  redis://127.0.0.1:49153 (--broker), namespace t-0123456789ab",
            "12:00:07.103        slot 1  8f14e45f  handled(17)    attempt 1 starts, 2 ms after it was sent",
            "12:00:07.103  WARN  slot 1  8f14e45f  handled(17)      17 is not allowed; dropping the message",
            "12:00:07.104        slot 1  8f14e45f  handled(17)    done in 0.3 ms",
            "12:00:20.002        slot 1  c51ce410  unhandled(17)  retry 1 of 3 in 1.37 s (1 to 2 s); slot 1 is free",
            "12:00:21.374        slot 2  c51ce410  unhandled(17)  attempt 2 of 4 starts, 950 µs after it was due",
            "12:00:23.610        slot 1  e4da3b7f  nap(3)         done in 3.002 s",
            "12:00:30.401 ERROR  slot 1  c51ce410  unhandled(17)  gave up after 4 attempts; kept 7 days in default.XQ",
        ];
        let expected = [
            " broker  redis://localhost:6379 (--broker), namespace dramatiq",
            "       slot 1  m1  handled(17)    attempt 1 starts, … ms after it was sent",
            " WARN  slot 1  m1  handled(17)      17 is not allowed; dropping the message",
            "       slot 1  m1  handled(17)    done in … ms",
            "       slot 1  m2  unhandled(17)  retry 1 of 3 in 1 to 2 s; slot 1 is free",
            "       slot 2  m2  unhandled(17)  attempt 2 of 4 starts, … ms after it was due",
            "       slot 1  m3  nap(3)         done in … s",
            "ERROR  slot 1  m2  unhandled(17)  gave up after 4 attempts; kept 7 days in default.XQ",
        ];
        let tidy = tidy(&log, &mut ids());
        assert_eq!(tidy.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_message_is_the_same_at_its_sender_and_its_worker() {
        let mut ids = ids();
        assert_eq!(tidy(&["8f14e45f-ceea-467f-a8e1-4f9c0d4bb7f4"], &mut ids), "m1\n");
        assert_eq!(
            tidy(&["12:00:07.103  slot 2  8f14e45f  add(1)  done in 1 ms"], &mut ids),
            " slot 2  m1  add(1)  done in … ms\n"
        );
        assert_eq!(
            tidy(&["12:00:07.103  cancelled 8f14e45f, and 0badcafe"], &mut ids),
            " cancelled m1, and 0badcafe\n"
        );
    }

    #[test]
    fn what_is_shown_of_a_message_becomes_stable() {
        let id = "8f14e45f-ceea-467f-a8e1-4f9c0d4bb7f4";
        let shown = [
            format!("id         {id}"),
            "sent       11:32:08.888, 7 s ago".to_owned(),
            "due        11:32:19.302, in 3.4 s".to_owned(),
            format!("stored as  {id}#0badcafe"),
            "why        attempt 4 is due in 3.4 s".to_owned(),
            "why        it waits because it is not due yet, but in 3.4 s; and no worker is alive".to_owned(),
            "8f14e45f  11:32:19  default".to_owned(),
            "state      with worker 0badcafe".to_owned(),
            "why        it does not wait: worker 0badcafe runs it, or is about to".to_owned(),
        ];
        let expected = [
            "id         m1",
            "sent       hh:mm:ss, … s ago",
            "due        hh:mm:ss, in … s",
            "stored as  m1#…",
            "why        attempt 4 is due in … s",
            "why        it waits because it is not due yet, but in … s; and no worker is alive",
            "m1        hh:mm:ss  default",
            "state      with worker w1",
            "why        it does not wait: worker w1 runs it, or is about to",
        ];
        let tidy = tidy(&shown, &mut ids());
        assert_eq!(tidy.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_time_between_two_lines_goes_past_midnight() {
        let between = |earlier, later| between(earlier, later).as_millis();
        assert_eq!(between("12:00:07.104  slot 1", "12:01:08.000  slot 2"), 60_896);
        assert_eq!(between("23:59:59.990  slot 1", "00:00:00.015  slot 2"), 25);
    }

    #[test]
    fn what_a_group_and_a_worker_are_called_is_replaced() {
        let id = "8f14e45f-ceea-467f-a8e1-4f9c0d4bb7f4";
        assert_eq!(
            tidied(&format!("its group t-0123456789ab:@group:{id} stays open; `dead requeue {id}` runs it again")),
            "its group dramatiq:@group:… stays open; `dead requeue m1` runs it again"
        );
        assert_eq!(tidied("worker 0badcafe died; a worker that lives"), "worker w1 died; a worker that lives");
    }

    #[test]
    fn a_window_may_have_two_units() {
        assert_eq!(tidied("retry in 730 ms (500 ms to 1 s)"), "retry in 500 ms to 1 s");
        assert_eq!(tidied("retry in 90 s (1 to 2 min);"), "retry in 1 to 2 min;");
    }

    #[test]
    fn a_rest_after_which_it_is_tried_again_is_replaced() {
        assert_eq!(tidied("put off for 4.2 s: rate limit exceeded"), "put off for … s: rate limit exceeded");
    }

    #[test]
    fn what_is_fixed_stays() {
        let line = "it stops after 10 s; 3 of 4, in 5 s, nap(3) sleeps 3 s, slot 1 is free, attempt 12 of 13";
        assert_eq!(tidied(line), line);
        assert_eq!(tidied("    17:30 is no time of a log"), "    17:30 is no time of a log");
    }

    #[test]
    fn a_key_and_a_pid_are_replaced() {
        assert_eq!(tidied("t-0123456789ab:default.DQ, pid 4711"), "dramatiq:default.DQ, pid …");
        assert_eq!(tidied("url=redis://127.0.0.1:49153/0"), "url=redis://localhost:6379/0");
    }

    #[test]
    #[should_panic(expected = "2.1 s lies outside its window 1 to 2 s")]
    fn a_wait_outside_its_window_is_refused() {
        let _ = tidied("retry 1 of 3 in 2.1 s (1 to 2 s); it waits in the broker");
    }

    #[test]
    #[should_panic(expected = "`99:00:07.103` is no time of day")]
    fn a_wrong_time_is_refused() {
        let _ = tidied("99:00:07.103  WARN  slot 1");
    }

    #[test]
    #[should_panic(expected = "`handled(17)` is no message id")]
    fn a_missing_id_is_refused() {
        let _ = tidied("12:00:07.104        slot 1  handled(17)    done in 0.3 ms");
    }

    #[test]
    #[should_panic(expected = "61000 ms is too long")]
    fn a_run_of_a_minute_is_refused() {
        let _ = tidied("done in 61000 ms");
    }

    #[test]
    #[should_panic(expected = "`redis://127.0.0.1:491530` isn't the test's Redis")]
    fn another_redis_is_refused() {
        let _ = tidied("12:00:01.204  broker  redis://127.0.0.1:491530");
    }

    #[test]
    #[should_panic(expected = "`t-ba9876543210` isn't the test's namespace")]
    fn another_namespace_is_refused() {
        let _ = tidied("namespace t-ba9876543210");
    }
}
