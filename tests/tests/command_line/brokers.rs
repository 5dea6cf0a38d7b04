//! Which broker is meant: named, by default, or wrongly.

use crate::{ERRORS, experiment::Experiment, nowhere, with_broker};
use std::{fs, net::TcpStream, path::PathBuf};
use tempfile::TempDir;
use tests::process::{self, FIVE_SECONDS, Process, eventually};
use uuid::Uuid;

#[test]
fn where_no_redis_answers_it_says_how_to_get_one() {
    for args in [&["handled", "17"][..], &["worker"]] {
        let experiment = with_broker(args, &nowhere());
        assert_eq!(experiment.wait().code(), Some(3), "{experiment}");
        experiment.wait_for_line("from --broker");
        experiment.wait_for_line("redis-server");
        experiment.wait_for_line("--broker redis://HOST:PORT or sqlite:PATH, or BROKER_URL");
        experiment.wait_for_line("cargo run -p e02_error_handling -- demo");
        assert!(experiment.stdout().is_empty(), "{experiment}");
    }
}

#[test]
fn a_url_of_no_broker_is_refused_by_the_part_that_is_wrong() {
    for (url, part) in [
        ("nonsense", "it has no scheme"),
        ("http://localhost:6379", "the scheme `http` is not known"),
        ("redis://localhost:many", "redis://localhost:many"),
        ("redis://localhost?namespace=", "its namespace is empty"),
        ("redis+unix:run/redis.sock", "after `redis+unix:` comes `//`"),
        ("rediss://localhost", "without the feature `tls` of `common`, which `rediss://` needs"),
        ("rediss://localhost#insecure", "there is no mode that trusts everybody"),
        ("sqlite:", "it names no file"),
        ("sqlite:a.db?synchronous=maybe", "`synchronous=maybe`: it is `normal` or `full`"),
    ] {
        for args in [&["handled", "17"][..], &["worker"], &["queues"]] {
            let experiment = with_broker(args, url);
            assert_eq!(experiment.wait().code(), Some(2), "{experiment}");
            experiment.wait_for_line(part);
            let forms = "valid forms: `redis://HOST:PORT/DB`, `rediss://HOST:PORT/DB`, `redis+unix:///PATH`, `sqlite:PATH` and \
                         `memory:` (from --broker)";
            experiment.wait_for_line(forms);
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
fn who_asks_for_a_longer_log_reads_ids_in_full() {
    let experiment = Experiment::of_the_lab(ERRORS);
    for (asked, is_full) in [(&["-v"][..], true), (&[], false)] {
        let sender = experiment.start(&["handled", "3"]);
        assert!(sender.wait().success(), "{sender}");
        let id = &sender.stdout()[0];
        let worker = experiment.worker(asked);
        let done = worker.wait_for("its run", |line| line.contains(&id[..8]) && line.contains("done in"));
        assert_eq!(done.contains(&**id), is_full, "{worker}");
    }
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
    assert!(log[2].contains("no worker is alive that takes it, so it waits"), "{sender}");
    assert_eq!(log.len(), 3, "{sender}");

    let worker = experiment.worker(&[]);
    worker.wait_for("its run", |line| line.contains(&printed[0][..8]) && line.contains("done in"));
    // Somebody is there now, so there is nothing to add.
    let sender = experiment.start(&["handled", "3"]);
    assert!(sender.wait().success(), "{sender}");
    assert_eq!(sender.stderr().len(), 2, "{sender}");
}

#[test]
fn where_no_broker_is_named_programs_meet_by_themselves() {
    let bare = Bare::new();
    // An empty variable names nothing.
    let look = bare.start(&["queues"]);
    assert!(look.wait().success(), "{look}");
    let first = look.stderr().remove(0);
    if TcpStream::connect("localhost:6379").is_ok() {
        // Somebody's own Redis: it is looked at, and left alone.
        assert!(first.contains("localhost:6379"), "{first}");
        return;
    }
    assert!(first.ends_with("lab.db (default: no Redis answers on localhost:6379)"), "{first}");
    assert!(bare.folder.path().join("target/lab.db").is_file(), "{first}");

    let worker = bare.start(&["worker"]);
    worker.wait_for_line("ready: ");
    let sender = bare.start(&["nap", "2"]);
    assert!(sender.wait().success(), "{sender}");
    assert_eq!(sender.stderr().len(), 2, "a worker is alive\n{sender}");
    worker.wait_for_line("attempt 1 starts");
    worker.kill();
    let survivor = bare.start(&["worker"]);
    survivor.wait_for_line("ready: ");
    let again = eventually(FIVE_SECONDS, || {
        survivor.lines().iter().any(|line| line.contains("attempt 1 starts")).then_some(())
    });
    assert!(again.is_some(), "{survivor}");
    survivor.wait_for_line("done in");
}

/// A machine on which nothing is prepared: a program in a target folder of its own, without a broker.
struct Bare {
    folder: TempDir,
    program: PathBuf,
}

impl Bare {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let built_in = folder.path().join("target/debug");
        fs::create_dir_all(&built_in).unwrap();
        // By this cargo's target folders are known.
        fs::write(folder.path().join("target/CACHEDIR.TAG"), "").unwrap();
        let program = built_in.join(ERRORS);
        process::copy_program(&process::binary(ERRORS), &program).unwrap();
        Self { folder, program }
    }

    fn start(&self, args: &[&str]) -> Process {
        Process::start_in(self.folder.path(), &self.program, args, &[("BROKER_URL", "")])
    }
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
