//! `worker --watch DIR`: a new build takes over, what the old one had begun it ends, and nobody is left behind.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "support/experiment.rs"]
mod experiment;

use experiment::{Experiment, MAIN, write};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tests::process::{Process, eventually};

/// How long a build may take: on a busy machine, and behind those of other tests, as cargo builds one after the other.
const BUILDS: Duration = Duration::from_secs(300);

/// An actor that is held inside for as long as a file exists. Its folder vanishes with the test, so it can't be held forever.
const SAYS_OLD: &str = r#"//! Says something.

use std::{path::Path, thread, time::Duration};

use common::{actor, actors};
use tracing::info;

/// Says its text, once there is no `gate` any more. A test takes it away from another process, so it can only be looked at.
#[actor]
fn say(n: u32, gate: String) {
    info!("{n} is inside");
    while Path::new(&gate).exists() {
        thread::sleep(Duration::from_millis(10));
    }
    info!("{n} says the old text");
}

common::lab::main!(actors![say], demo: ["say 1 nowhere"]);
"#;

#[test]
fn a_new_build_takes_over_and_the_old_one_ends_what_it_has_begun() {
    let folder = write("watched", SAYS_OLD);
    let gates = tempfile::tempdir().unwrap();
    let experiment = Experiment::written("watched", folder.path());
    let edit = |source: &str| fs::write(folder.path().join(MAIN), source).unwrap();
    let gate = |name: &str| gates.path().join(name).display().to_string();
    let (held, also_held, open) = (gate("held"), gate("also held"), gate("open"));
    fs::write(&held, "").unwrap();
    fs::write(&also_held, "").unwrap();
    let watcher = experiment.worker(&["--watch", "."]).patient(BUILDS);

    assert_eq!(processes_with(&experiment.namespace).len(), 2, "the watcher and its worker\n{watcher}");

    let mut ids = vec![experiment.send(&["say", "1", &held])];
    watcher.wait_for("message 1 inside of the actor", ends_with("1 is inside"));
    edit(&SAYS_OLD.replace("the old text", "the new text"));
    watcher.wait_for_line("src/main.rs changed; building");
    watcher.wait_for_line("ends what it has begun");
    ids.push(experiment.send(&["say", "2", &open]));
    watcher.wait_for("message 2 in the new words", ends_with("2 says the new text"));
    assert_eq!(count(&watcher, "1 says"), 0, "{watcher}");
    fs::remove_file(&held).unwrap();
    watcher.wait_for("message 1 in the old words", ends_with("1 says the old text"));
    watcher
        .wait_for("the end of the first worker", |line| line.contains("the build of") && line.ends_with("has ended"));

    edit(&SAYS_OLD.replace(";\n}\n\ncommon", "\n}}\n\ncommon"));
    watcher.wait_for_line("unexpected closing delimiter");
    watcher.wait_for_line("src/main.rs:");
    watcher.wait_for("word of the build that still runs", |line| {
        line.contains("the build failed; the build of") && line.ends_with("still runs")
    });
    ids.push(experiment.send(&["say", "3", &open]));
    watcher.wait_for("message 3 in the new words", ends_with("3 says the new text"));

    edit(&SAYS_OLD.replace("the old text", "the mended text"));
    eventually(BUILDS, || (count(&watcher, "ends what it has begun") == 2).then_some(()))
        .unwrap_or_else(|| panic!("no second worker took over\n{watcher}"));
    ids.push(experiment.send(&["say", "4", &open]));
    watcher.wait_for("message 4 in the mended words", ends_with("4 says the mended text"));

    ids.push(experiment.send(&["say", "5", &also_held]));
    watcher.wait_for("message 5 inside of the actor", ends_with("5 is inside"));
    watcher.interrupt();
    watcher.wait_for_line("shutting down: waiting for running messages");
    fs::remove_file(&also_held).unwrap();
    assert_eq!(watcher.wait().code(), Some(0), "{watcher}");
    // Workers name their broker, and cargo the folder.
    for text in [&experiment.namespace, folder.path().to_str().unwrap()] {
        assert_eq!(processes_with(text), [""; 0], "{watcher}");
    }

    for (n, id) in (1..).zip(&ids) {
        assert_eq!(count(&watcher, &format!("{n} says")), 1, "message {n}\n{watcher}");
        let ends = watcher.lines().iter().filter(|line| line.contains(id) && line.contains("done in")).count();
        assert_eq!(ends, 1, "message {n}\n{watcher}");
    }
    assert_eq!(experiment.stored(), 0, "{watcher}");
}

#[test]
fn a_killed_watcher_leaves_no_orphan() {
    let experiment = Experiment::of_the_lab("e02_error_handling");
    let folder = tempfile::tempdir().unwrap();
    let watcher = experiment.worker(&["--watch", folder.path().to_str().unwrap()]).patient(BUILDS);
    assert_eq!(processes_with(&experiment.namespace).len(), 2, "the watcher and its worker\n{watcher}");
    let id = experiment.send(&["nap", "1"]);
    watcher.wait_for("the start of the nap", |line| line.contains(&id) && line.contains("attempt 1 starts"));
    watcher.kill();
    // Its worker writes to the same terminal, and ends what it has begun before it ends itself.
    watcher.wait_for("the end of the nap", |line| line.contains(&id) && line.contains("done in"));
    let gone = eventually(BUILDS, || processes_with(&experiment.namespace).is_empty().then_some(()));
    assert!(gone.is_some(), "left behind: {:?}\n{watcher}", processes_with(&experiment.namespace));
    assert_eq!(experiment.stored(), 0, "{watcher}");
}

#[test]
fn a_closed_terminal_ends_the_watcher_and_its_worker_well() {
    let experiment = Experiment::of_the_lab("e02_error_handling");
    let folder = tempfile::tempdir().unwrap();
    let watcher = experiment.worker(&["--watch", folder.path().to_str().unwrap()]).patient(BUILDS);
    let id = experiment.send(&["nap", "1"]);
    watcher.wait_for("the start of the nap", |line| line.contains(&id) && line.contains("attempt 1 starts"));
    watcher.hang_up();
    watcher.wait_for_line("shutting down: waiting for running messages");
    watcher.hang_up();
    assert_eq!(watcher.wait().code(), Some(0), "{watcher}");
    watcher.wait_for("the end of the nap", |line| line.contains(&id) && line.contains("done in"));
    assert_eq!(processes_with(&experiment.namespace), [""; 0], "{watcher}");
    assert_eq!(experiment.stored(), 0, "{watcher}");
}

/// Edits a file until that is seen. What else has just happened may be told in the same line, without this file's name.
fn is_watched(watcher: &Process, file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let is_seen = || (count(watcher, &format!("{name} changed; building")) > 0).then_some(());
    let edit = || {
        fs::write(file, "// edited").unwrap();
        eventually(Duration::from_secs(3), is_seen)
    };
    assert!((0..100).any(|_| edit().is_some()), "{name} is edited, and nobody sees it\n{watcher}");
}

#[test]
fn a_folder_that_is_replaced_is_watched_again() {
    let experiment = Experiment::of_the_lab("e02_error_handling");
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (folder, link) = (at("code"), at("link"));
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    let watcher = experiment.worker(&["--watch", link.to_str().unwrap()]).patient(BUILDS);
    is_watched(&watcher, &folder.join("first.rs"));

    // As a switch of branches does it, and not in one step.
    fs::remove_dir_all(&folder).unwrap();
    watcher.wait_for_line("link is gone; it is watched again when it is back");
    fs::create_dir(&folder).unwrap();
    watcher.wait_for_line("link is back; watching it");
    // In the name of what was removed, if that was still to be built.
    let is_built = || {
        let lines = watcher.lines();
        let mut since = lines.iter().skip_while(|line| !line.contains("link is back; watching it"));
        since.any(|line| line.ends_with("changed; building")).then_some(())
    };
    assert!(eventually(BUILDS, is_built).is_some(), "it is back, and nobody builds\n{watcher}");
    is_watched(&watcher, &folder.join("again.rs"));

    // By another one, at once.
    fs::rename(&folder, at("away")).unwrap();
    fs::create_dir(&folder).unwrap();
    is_watched(&watcher, &folder.join("replaced.rs"));

    // The name leads elsewhere.
    fs::create_dir(at("other")).unwrap();
    std::os::unix::fs::symlink(at("other"), at("newer")).unwrap();
    fs::rename(at("newer"), &link).unwrap();
    watcher.wait_for_line("link is another folder now; watching it");
    is_watched(&watcher, &at("other").join("elsewhere.rs"));

    watcher.interrupt();
    assert_eq!(watcher.wait().code(), Some(0), "{watcher}");
}

#[test]
fn a_source_that_is_a_link_is_watched_where_it_is() {
    let shared = tempfile::tempdir().unwrap();
    let words = shared.path().join("words.rs");
    fs::write(&words, "pub const WORDS: &str = \"old words\";\n").unwrap();
    let source = SAYS_OLD.replace("#[actor]", "mod words;\n\n#[actor]");
    let source = source.replace("info!(\"{n} says the old text\")", "info!(\"{n} says {}\", words::WORDS)");
    let folder = write("linked", &source);
    std::os::unix::fs::symlink(&words, folder.path().join("src/words.rs")).unwrap();
    let experiment = Experiment::written("linked", folder.path());
    let watcher = experiment.worker(&["--watch", "."]).patient(BUILDS);
    fs::write(&words, "pub const WORDS: &str = \"new words\";\n").unwrap();
    watcher.wait_for_line("words.rs changed; building");
    watcher.wait_for_line("ends what it has begun");
    experiment.send(&["say", "1", "nowhere"]);
    watcher.wait_for("the new words", ends_with("1 says new words"));
    watcher.interrupt();
    assert_eq!(watcher.wait().code(), Some(0), "{watcher}");
}

#[test]
fn a_broker_in_memory_can_not_be_watched() {
    let experiment = Experiment::of_the_lab("e02_error_handling");
    let args = ["worker", "--watch", ".", "--broker", "memory:"];
    let watcher = Process::start(&experiment.program, &args, &[]);
    assert_eq!(watcher.wait().code(), Some(2), "{watcher}");
    watcher.wait_for_line("`memory:` is one process only: use a Redis");
}

#[test]
fn without_its_sources_an_experiment_can_not_be_watched() {
    let folder = write("moved_away", SAYS_OLD);
    let mut experiment = Experiment::written("moved_away", folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(folder.path(), elsewhere.path().join("moved")).unwrap();
    experiment.folder = elsewhere.path().join("moved");

    let watcher = experiment.start(&["worker", "--watch", "."]);
    assert_eq!(watcher.wait().code(), Some(2), "{watcher}");
    let said = watcher.wait_for_line("`--watch` builds from the sources");
    assert!(said.contains(folder.path().to_str().unwrap()), "{said}");
    assert!(said.contains("start the worker without it, or from a checkout"), "{said}");
    // And that it can do.
    let worker = experiment.worker(&[]);
    worker.interrupt();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
}

fn ends_with(text: &str) -> impl Fn(&str) -> bool {
    move |line| line.ends_with(text)
}

/// How many lines have this text.
fn count(process: &Process, text: &str) -> usize {
    process.lines().iter().filter(|line| line.contains(text)).count()
}

/// The command lines of all processes that have this text in them.
fn processes_with(text: &str) -> Vec<String> {
    let listed = Command::new("ps").args(["-A", "-o", "args="]).stdin(Stdio::null()).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}
