//! Commands and their arguments.

use crate::{
    ERRORS, HELLO,
    experiment::{Experiment, write},
    nowhere,
};
use std::{
    fs,
    process::{Command, Stdio},
};
use tests::{
    process::{self, Process},
    workspace,
};

/// Actors whose arguments are more than a number.
const TYPED: &str = r#"//! Arguments of all kinds.

use std::sync::atomic::{AtomicU32, Ordering};

use common::lab::Setup;
use common::middleware::{HookError, Middleware};
use common::{Context, Message, actor, actors};
use serde::{Deserialize, Serialize};
use tracing::info;

#[derive(Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[actor]
fn add(numbers: Vec<u32>) {
    info!("the sum of {} numbers is {}", numbers.len(), numbers.iter().sum::<u32>());
}

#[actor]
fn greet(name: Option<String>) {
    info!("hello, {}", name.unwrap_or_else(|| "whoever you are".to_owned()));
}

#[actor]
fn go(to: Point) {
    info!("{} to the right, {} up", to.x, to.y);
}

#[actor]
fn paint(colour: Colour) {
    info!("{colour:?} it is");
}

#[actor]
fn visit(visits: &AtomicU32, context: &Context, who: String) {
    let (options, visits) = (&context.message().options, visits.fetch_add(1, Ordering::Relaxed) + 1);
    let [tenant, priority] = ["tenant", "priority"].map(|name| options.get(name).map(ToString::to_string));
    info!("{who} is visitor {visits}, of {tenant:?} at {priority:?}");
}

/// Whoever names no tenant belongs to the house.
struct Tenants;

impl Middleware for Tenants {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        if message.options.get("tenant").is_none() {
            message.options.set("tenant", "house".into());
        }
        Ok(())
    }
}

common::lab::main!(
    actors![add, greet, go, paint, visit],
    setup: Setup { worker: |worker| worker.state(AtomicU32::new(0)), broker: |broker| broker.with(Tenants) },
    demo: ["add [1,2]"]
);
"#;

#[test]
fn an_argument_of_the_wrong_type_is_refused_before_anything_is_sent() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let sender = experiment.start(&["handled", "seventeen"]);
    assert_eq!(sender.wait().code(), Some(2), "{sender}");
    sender.wait_for_line(r#"invalid value 'seventeen' for '<n: u32>': invalid type: string "seventeen", expected u32"#);
    assert!(sender.stdout().is_empty(), "{sender}");
    assert_eq!(experiment.stored(), 0);
    // It would have been seen.
    experiment.send(&["handled", "17"]);
    assert_eq!(experiment.stored(), 1);
}

#[test]
fn an_unknown_command_is_refused() {
    let experiment = Experiment::of_the_lab(ERRORS).start(&["handle", "17"]);
    assert_eq!(experiment.wait().code(), Some(2), "{experiment}");
    experiment.wait_for_line("unrecognized subcommand 'handle'");
    // clap knows what was meant.
    experiment.wait_for_line("'handled'");
}

#[test]
fn a_worker_is_told_which_of_its_actors_queues_it_consumes() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let worker = experiment.start(&["worker", "--queues", "default,hihg"]);
    assert_eq!(worker.wait().code(), Some(2), "{worker}");
    worker.wait_for_line("no actor of this worker is on queue `hihg`; its actors are on `default`");
    let worker = experiment.worker(&["--queues", "default"]);
    worker.wait_for_line("ready: handled, unhandled, nap on queue default; 8 slots");
    worker.interrupt();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
}

#[test]
fn notes_are_printed_byte_for_byte() {
    for name in [HELLO, ERRORS] {
        let printed = Command::new(process::binary(name)).arg("notes").stdin(Stdio::null()).output().unwrap();
        assert!(printed.status.success() && printed.stderr.is_empty(), "{printed:?}");
        let notes = fs::read(workspace::root().join(name).join("README.rst")).unwrap();
        assert!(printed.stdout == notes, "{name} prints:\n{}", String::from_utf8_lossy(&printed.stdout));
    }
}

#[test]
fn help_lists_the_actors_with_their_documentation() {
    let help = Process::start(&process::binary(ERRORS), &["--help"], &[]);
    assert!(help.wait().success(), "{help}");
    for (actor, about) in [
        ("handled", "Handles its error: 17 is not allowed, and its message is dropped"),
        ("unhandled", "Leaves its error to the worker, which retries: 17 is not allowed"),
        ("nap", "Keeps a slot busy for so many seconds"),
    ] {
        let listed = |line: &str| line.trim_start().strip_prefix(actor).is_some_and(|rest| rest.trim() == about);
        help.wait_for(&format!("actor `{actor}`"), listed);
    }
    assert!(help.stderr().is_empty(), "{help}");
}

#[test]
fn a_demonstration_needs_no_service() {
    let demo = |name| Process::start(&process::binary(name), &["demo"], &[("BROKER_URL", &nowhere())]);
    let (hello, errors) = (demo(HELLO), demo(ERRORS));
    for (demo, lesson) in [(&hello, "done in 1.5 s"), (&errors, "gave up after 4 attempts")] {
        assert_eq!(demo.wait().code(), Some(0), "{demo}");
        demo.wait_for_line(lesson);
        demo.wait_for_line("that was all");
        assert!(demo.stdout().is_empty(), "{demo}");
    }
}

#[test]
fn whatever_can_travel_can_be_typed() {
    let folder = write("typed", TYPED);
    let experiment = Experiment::written("typed", folder.path());
    let worker = experiment.worker(&[]);
    for (typed, logged) in [
        (&["add", "[1,2]"][..], "the sum of 2 numbers is 3"),
        (&["add", "[]"], "the sum of 0 numbers is 0"),
        (&["greet"], "hello, whoever you are"),
        (&["greet", "Ada Lovelace"], "hello, Ada Lovelace"),
        (&["go", r#"{"x":1,"y":2}"#], "1 to the right, 2 up"),
        (&["paint", "red"], "Red it is"),
        (&["visit", "Ada"], r#"Ada is visitor 1, of Some("\"house\"") at None"#),
        (
            &["visit", "Bob", "--option", r#"tenant="shop""#, "--priority", "-3"],
            r#"Bob is visitor 2, of Some("\"shop\"") at Some("-3")"#,
        ),
    ] {
        let id = experiment.send(typed);
        worker.wait_for(&format!("what {typed:?} brought"), |line| line.contains(&id) && line.ends_with(logged));
    }
    for (typed, reason) in [
        (["add", "1"], "expected a sequence"),
        (["add", "[1,-2]"], "invalid value: integer `-2`, expected u32"),
        (["go", r#"{"x":1}"#], "missing field `y`"),
        (["paint", "blue"], "unknown variant `blue`, expected `red` or `green`"),
    ] {
        let sender = experiment.start(&typed);
        assert_eq!(sender.wait().code(), Some(2), "{sender}");
        sender.wait_for_line(reason);
    }
    worker.interrupt();
    assert!(worker.wait().success(), "{worker}");
    assert_eq!(experiment.stored(), 0, "{worker}");
}

#[test]
fn a_time_of_day_is_refused_where_no_time_zone_is_known() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let broker = experiment.broker();
    let send = |zone: &str, at: &str| {
        Process::start(&experiment.program, &["handled", "3", "--at", at, "--broker", &broker], &[("TZ", zone)])
    };
    for zone in ["Europe/Viena", "/nowhere/zone", "99"] {
        let sender = send(zone, "23:30");
        assert_eq!(sender.wait().code(), Some(2), "{sender}");
        sender.wait_for_line(&format!("TZ is `{zone}`, which names no time zone here, so that local time is unknown"));
        sender.wait_for_line("set TZ, to `UTC`");
    }
    assert_eq!(experiment.stored(), 0);
    // What needs no zone is taken, and told in the one that everybody knows.
    let sender = send("Europe/Viena", "2030-01-31T12:00:05+01:00");
    assert_eq!(sender.wait().code(), Some(0), "{sender}");
    sender.wait_for_line("due at 2030-01-31 11:00:05.000 UTC");
    // With a zone, the offset tells whose time of day that is.
    for (zone, at) in [
        ("UTC", "2030-01-31 12:00:05.000 +00:00"),
        ("", "2030-01-31 12:00:05.000 +00:00"),
        ("EST5", "2030-01-31 12:00:05.000 -05:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2030-01-31 12:00:05.000 +01:00"),
    ] {
        let sender = send(zone, "2030-01-31T12:00:05");
        assert_eq!(sender.wait().code(), Some(0), "{sender}");
        sender.wait_for("the offset", |line| line.ends_with(&format!("due at {at}")));
    }
}
