//! Runs the experiment, and holds its notes against what it logged.

use std::path::Path;

use common::clock::{Clock, Stopwatch};
use redis::Commands as _;
use tests::log::{self, Ids};
use tests::process::Process;

const EXPERIMENT: &str = "e01_hello_world";

/// Stands for the id of the message, in the notes.
const ID: &str = "e27a1c89-3350-4d0d-90b0-f08e52f0a8c6";

/// Stands for the time when it was sent.
const TIME: &str = "1795485700326";

#[test]
fn the_notes_quote_what_worker_and_sender_log() {
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let broker = format!("{url}?namespace={namespace}");
    let program = Path::new(env!("CARGO_BIN_EXE_e01_hello_world"));
    let worker = Process::start(program, &["worker", "--threads", "2", "--broker", &broker], &[]);
    worker.wait_for_line("ready:");
    let sender = Process::start(program, &["count_to", "3", "--broker", &broker], &[]);
    assert!(sender.wait().success());
    worker.wait_for_line("done in");
    log::stop(&worker, program, &broker);

    let mut ids = Ids::new(&url, &namespace);
    // What was printed comes after what was logged, as in a terminal.
    let sent = [sender.stderr(), sender.stdout()].concat();
    log::pin(EXPERIMENT, "sender", &log::tidy(&sent, &mut ids));
    log::pin(EXPERIMENT, "worker", &log::tidy(&worker.lines(), &mut ids));
}

#[test]
fn the_notes_quote_what_lies_in_redis() {
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let broker = format!("{url}?namespace={namespace}");
    let program = Path::new(env!("CARGO_BIN_EXE_e01_hello_world"));
    let (clock, watch) = (Clock::system(), Stopwatch::start());
    let before = clock.now().as_millis();
    assert!(Process::start(program, &["count_to", "3", "--broker", &broker], &[]).wait().success());

    let mut redis = tests::redis::connection();
    let keys: Vec<String> = redis.keys(format!("{namespace}:*")).expect("keys");
    assert_eq!(keys.len(), 2, "a sender writes the list and the hash, and no heartbeat: {keys:?}");
    let ids: Vec<String> = redis.lrange(format!("{namespace}:default"), 0, -1).expect("the list");
    let bodies: Vec<(String, String)> = redis.hgetall(format!("{namespace}:default.msgs")).expect("the hash");
    let (id, body) = &bodies[0];
    assert_eq!(&ids, std::slice::from_ref(id));
    let time = body.rsplit_once(':').and_then(|(_, end)| end.trim_end_matches('}').parse::<i64>().ok());
    let time = time.expect("message_timestamp comes last");
    // The sender's clock is ahead of the server's by as long as an answer took.
    let latest = (clock.now() + watch.elapsed()).as_millis();
    assert!((before..=latest).contains(&time), "sent at {time}, and not from {before} to {latest}");
    let shown = format!("list  {namespace}:default\n    {id}\nhash  {namespace}:default.msgs\n    {id} = {body}\n");
    let shown = shown.replace(&namespace, "dramatiq").replace(id, ID).replace(&time.to_string(), TIME);
    log::pin(EXPERIMENT, "redis", &shown);
}
