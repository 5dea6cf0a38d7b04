//! What ends a worker, and what becomes of its messages.

use crate::{ERRORS, HELLO, SOON, experiment::Experiment, with_broker};
use std::{net::TcpListener, time::Duration};
use tests::{
    process::{Process, eventually},
    redis::Server,
};

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
    worker.wait_for_line("Ctrl-C again requeues running messages");
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    worker.wait_for("the last number", |line| line.contains(&counting) && line.ends_with("  10"));
    assert_eq!(runs(&worker, &counting), (1, 1), "{worker}");
    // What it had not begun is the next one's.
    assert_eq!(runs(&worker, &waiting), (0, 0), "{worker}");
    assert_eq!((ready(&experiment), experiment.stored()), (1, 1), "{worker}");
}

#[test]
fn a_second_ctrl_c_requeues_what_runs() {
    a_second_signal_requeues_what_runs(Process::interrupt);
}

#[test]
fn a_second_sigterm_requeues_what_runs() {
    a_second_signal_requeues_what_runs(Process::terminate);
}

fn a_second_signal_requeues_what_runs(tell: fn(&Process)) {
    let experiment = Experiment::of_the_lab(HELLO);
    let worker = experiment.worker(&[]);
    let id = experiment.send(&["count_to", "6"]);
    worker.wait_for("the second number", |line| line.contains(&id) && line.ends_with("  2"));
    tell(&worker);
    worker.wait_for_line("Ctrl-C again requeues running messages");
    tell(&worker);
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    worker.wait_for_line("running messages were requeued; they run again, unless they were cancelled");
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
    worker.wait_for("why it could not deregister", |line| {
        line.contains("could not deregister: the broker does not answer")
            || line.contains("could not deregister: the store cannot be reached")
    });
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
