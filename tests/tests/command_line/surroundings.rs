//! Where a program may find itself: any locale, closed descriptors, the first process of a container.

use crate::{ERRORS, experiment::Experiment};
use std::path::Path;
use tests::process::Process;
use uuid::Uuid;

/// Runs the experiment in a shell, which sees to what it finds itself in; `"$@"` is its command line.
fn in_a_shell(experiment: &Experiment, script: &str, args: &[&str]) -> Process {
    let broker = experiment.broker();
    let program = experiment.program.display().to_string();
    let args = [&["-c", script, "sh", &program], args, &["--broker", &broker]].concat();
    Process::start_in(&experiment.folder, Path::new("sh"), &args, &[])
}

#[test]
fn any_locale_will_do() {
    let experiment = Experiment::of_the_lab(ERRORS);
    for locale in ["tr_TR.ISO-8859-9", "no_SUCH.locale", ""] {
        let envs = [("LC_ALL", locale), ("LANG", locale), ("LANGUAGE", locale)];
        let sender = experiment.start_with(&["handled", "3"], &envs);
        assert_eq!(sender.wait().code(), Some(0), "{locale}: {sender}");
        assert!(Uuid::parse_str(&sender.stdout()[0]).is_ok(), "{locale}: {sender}");
    }
}

#[test]
fn bytes_that_are_no_text_are_a_wrong_argument() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let sender = in_a_shell(&experiment, r#"exec "$1" handled "$(printf '\377')" "$3" "$4""#, &["handled"]);
    assert_eq!(sender.wait().code(), Some(2), "{sender}");
    assert!(!sender.lines().iter().any(|line| line.contains("panicked")), "{sender}");
    assert_eq!(experiment.stored(), 0);
}

#[test]
fn closed_descriptors_stop_nobody() {
    let experiment = Experiment::of_the_lab(ERRORS);
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let sender = in_a_shell(&experiment, &format!("exec \"$@\" {closed}"), &["handled", "3"]);
        assert_eq!(sender.wait().code(), Some(0), "{closed}: {sender}");
    }
    assert_eq!(experiment.stored(), 4);
}

#[test]
fn a_worker_that_is_process_one_stops_as_any_other() {
    let experiment = Experiment::of_the_lab(ERRORS);
    // With a user namespace where it is needed to have one of processes.
    let root = if rustix::process::geteuid().is_root() { "" } else { "--user --map-root-user" };
    let script = format!("exec unshare {root} --pid --fork --kill-child \"$@\"");
    let worker = in_a_shell(&experiment, &script, &["worker"]);
    worker.wait_for_line("ready: ");
    let id = experiment.send(&["nap", "2"]);
    worker.wait_for("its start", |line| line.contains(&id) && line.contains("attempt 1 starts"));
    // The whole group is told, so the first process of the namespace as well.
    worker.interrupt();
    worker.wait_for("its end", |line| line.contains(&id) && line.contains("done in"));
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    assert_eq!(experiment.stored(), 0);
}
