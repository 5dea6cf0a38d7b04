//! Experiments as a person runs them: what is typed, what is printed where, and with which code it ends.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "support/experiment.rs"]
mod experiment;
#[path = "support/json_log.rs"]
mod json_log;

use experiment::{Experiment, write};
use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};
use tests::{
    process::{self, Process, eventually},
    redis::Server,
    workspace,
};
use uuid::Uuid;

const HELLO: &str = "e01_hello_world";
const ERRORS: &str = "e02_error_handling";

/// How long a worker may take to end when there is nothing that it can wait for. Less feels like a second Ctrl-C is needed.
const SOON: Duration = Duration::from_secs(4);

/// Actors whose arguments are more than a number.
const TYPED: &str = r#"//! Arguments of all kinds.

use common::{actor, actors};
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

common::lab::main!(actors![add, greet, go, paint], demo: ["add [1,2]"]);
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
fn where_no_redis_answers_it_says_how_to_get_one() {
    for args in [&["handled", "17"][..], &["worker"]] {
        let experiment = with_broker(args, &nowhere());
        assert_eq!(experiment.wait().code(), Some(3), "{experiment}");
        experiment.wait_for_line("from --broker");
        experiment.wait_for_line("redis-server");
        experiment.wait_for_line("--broker redis://HOST:PORT, or BROKER_URL");
        experiment.wait_for_line("cargo run -p e02_error_handling -- demo");
        assert!(experiment.stdout().is_empty(), "{experiment}");
    }
}

#[test]
fn a_url_of_no_broker_is_refused() {
    for url in ["nonsense", "http://localhost:6379", "redis://localhost:many", "redis://localhost?namespace="] {
        for args in [&["handled", "17"][..], &["worker"]] {
            let experiment = with_broker(args, url);
            assert_eq!(experiment.wait().code(), Some(2), "{experiment}");
            experiment.wait_for_line(url.split('?').next().unwrap());
            assert!(experiment.stdout().is_empty(), "{experiment}");
        }
    }
}

#[test]
fn a_message_is_not_sent_to_a_store_that_ends_with_its_sender() {
    let sender = with_broker(&["handled", "17"], "memory:");
    assert_eq!(sender.wait().code(), Some(2), "{sender}");
    sender.wait_for_line("`demo` has a worker in the same process");
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
fn a_sender_prints_the_id_and_nothing_else_and_logs_beside_it() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let sender = experiment.start(&["handled", "3"]);
    assert!(sender.wait().success(), "{sender}");
    let printed = sender.stdout();
    assert!(printed.len() == 1 && Uuid::parse_str(&printed[0]).is_ok(), "{sender}");
    let log = sender.stderr();
    assert!(log[0].contains("(from --broker)") && log[0].ends_with(&experiment.namespace), "{sender}");
    assert!(log[1].contains("sent handled(3) to queue default"), "{sender}");
    assert_eq!(log.len(), 2, "{sender}");

    let worker = experiment.worker(&[]);
    worker.wait_for("its run", |line| line.contains(&printed[0][..8]) && line.contains("done in"));
}

#[test]
fn the_environment_may_name_the_broker() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let broker = experiment.broker();
    let sender = Process::start(&experiment.program, &["handled", "3"], &[("BROKER_URL", &broker)]);
    assert!(sender.wait().success(), "{sender}");
    assert!(sender.stderr()[0].contains("(from BROKER_URL)"), "{sender}");
    assert_eq!(experiment.stored(), 1);
    // What is typed counts more.
    let sender =
        Process::start(&experiment.program, &["handled", "3", "--broker", &broker], &[("BROKER_URL", &nowhere())]);
    assert!(sender.wait().success(), "{sender}");
    assert!(sender.stderr()[0].contains("(from --broker)"), "{sender}");
    assert_eq!(experiment.stored(), 2);
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
fn an_idle_worker_ends_when_it_is_told_to() {
    for tell in [Process::interrupt, Process::terminate] {
        let worker = Experiment::of_the_lab(ERRORS).worker(&[]);
        tell(&worker);
        let ended = eventually(SOON, || worker.ended());
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "{worker}");
    }
}

#[test]
fn ctrl_c_lets_what_runs_end() {
    a_first_signal_lets_what_runs_end(Process::interrupt);
}

#[test]
fn sigterm_lets_what_runs_end() {
    a_first_signal_lets_what_runs_end(Process::terminate);
}

fn a_first_signal_lets_what_runs_end(tell: fn(&Process)) {
    let experiment = Experiment::of_the_lab(HELLO);
    let worker = experiment.worker(&["--threads", "1"]);
    let counting = experiment.send(&["count_to", "10"]);
    worker.wait_for("the third number", |line| line.contains(&counting) && line.ends_with("  3"));
    let waiting = experiment.send(&["count_to", "1"]);
    tell(&worker);
    worker.wait_for_line("a second Ctrl-C gives back what still runs");
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    worker.wait_for("the last number", |line| line.contains(&counting) && line.ends_with("  10"));
    assert_eq!(runs(&worker, &counting), (1, 1), "{worker}");
    // What it had not begun is the next one's.
    assert_eq!(runs(&worker, &waiting), (0, 0), "{worker}");
    assert_eq!((ready(&experiment), experiment.stored()), (1, 1), "{worker}");
}

#[test]
fn a_second_ctrl_c_gives_back_what_runs() {
    a_second_signal_gives_back_what_runs(Process::interrupt);
}

#[test]
fn a_second_sigterm_gives_back_what_runs() {
    a_second_signal_gives_back_what_runs(Process::terminate);
}

fn a_second_signal_gives_back_what_runs(tell: fn(&Process)) {
    let experiment = Experiment::of_the_lab(HELLO);
    let worker = experiment.worker(&[]);
    let id = experiment.send(&["count_to", "6"]);
    worker.wait_for("the second number", |line| line.contains(&id) && line.ends_with("  2"));
    tell(&worker);
    worker.wait_for_line("a second Ctrl-C gives back what still runs");
    tell(&worker);
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    worker.wait_for_line("what still ran was given back, and will run again");
    assert_eq!(runs(&worker, &id), (1, 0), "{worker}");
    assert_eq!((ready(&experiment), experiment.stored()), (1, 1), "{worker}");

    let next = experiment.worker(&[]);
    next.wait_for("the same message's end", |line| line.contains(&id) && line.contains("done in"));
    next.interrupt();
    assert_eq!(next.wait().code(), Some(0), "{next}");
    assert_eq!(runs(&next, &id), (1, 1), "{next}");
    assert_eq!(experiment.stored(), 0, "{next}");
}

#[test]
fn a_worker_whose_redis_has_gone_ends_soon_after_ctrl_c() {
    let mut server = Server::start();
    let worker = with_broker(&["worker"], &server.url());
    worker.wait_for_line("ready: ");
    server.stop();
    worker.wait_for_line("the store cannot be reached");
    ends_without_redis(&worker, SOON);
}

#[test]
fn a_worker_whose_redis_does_not_answer_ends_soon_after_ctrl_c() {
    let server = Server::start();
    let worker = with_broker(&["worker"], &server.url());
    worker.wait_for_line("ready: ");
    server.pause();
    ends_without_redis(&worker, SOON);
}

#[test]
fn a_worker_that_has_no_broker_yet_ends_soon_after_ctrl_c() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let worker = with_broker(&["worker"], &format!("redis://{}", mute.local_addr().unwrap()));
    let _connected = mute.accept().unwrap();
    worker.interrupt();
    let ended = eventually(SOON, || worker.ended());
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "it waits for an answer\n{worker}");
    worker.wait_for_line("stopped before it had a broker");
}

fn ends_without_redis(worker: &Process, patience: Duration) {
    worker.interrupt();
    let ended = eventually(patience, || worker.ended());
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "it waits for a Redis that isn't there\n{worker}");
    worker.wait_for("why it could not sign off", |line| {
        line.contains("could not sign off: the broker does not answer")
            || line.contains("could not sign off: no answer within")
    });
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

/// Starts experiment 02 with a broker that isn't the tests'.
fn with_broker(args: &[&str], url: &str) -> Process {
    Process::start(&process::binary(ERRORS), &[args, &["--broker", url]].concat(), &[])
}

/// The URL of a place where nobody listens.
fn nowhere() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("redis://{}", free.unwrap())
}

/// How often a message has begun, and has ended.
fn runs(worker: &Process, id: &str) -> (usize, usize) {
    let lines = worker.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(id) && line.contains(text)).count();
    (count("attempt 1 starts"), count("done in"))
}

/// How many messages wait for a worker.
fn ready(experiment: &Experiment) -> usize {
    let queue = format!("{}:default", experiment.namespace);
    ::redis::cmd("LLEN").arg(queue).query(&mut tests::redis::connection()).unwrap()
}
