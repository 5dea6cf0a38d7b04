//! A Redis that is away for a while, while a message runs.

use crate::scene::{DURABLE, Scene, expect_times, note, report, times, wait_for_end_of_line};
use common::clock::Stopwatch;
use common::store::Counts;
use std::{thread, time::Duration};
use tests::{
    process::{FIVE_SECONDS, PATIENCE, Process, eventually},
    proxy::Proxy,
    redis::Server,
};

/// A worker that runs one message, reached by `url`.
fn holding(scene: &Scene, url: &str) -> Process {
    let worker = scene.worker_at(url, 1);
    scene.send([scene.hold("gate")]);
    worker.wait_for_line("attempt 1 starts");
    worker
}

/// The end of what ran lands, once, and the next message runs in time.
fn goes_on(scene: &Scene, worker: &Process) {
    let back = Stopwatch::start();
    scene.send([note(1)]);
    wait_for_end_of_line(worker, "noted 1");
    report("Redis is back, the next message ran", back);
    assert!(back.elapsed() < FIVE_SECONDS, "{worker}");
    scene.settle("both have ended", |counts| counts == Counts::default());
    assert_eq!((times(worker, "let go"), times(worker, "noted 1")), (1, 1), "{worker}");
    assert_eq!(times(worker, "told to stop"), 0, "{worker}");
}

/// How long the outage lasts, which is what is tested: long enough for the pauses between a worker's attempts to reach their longest.
const LONG: Duration = Duration::from_secs(8);

/// Waits until the worker has noticed.
fn notices(worker: &Process) {
    worker.wait_for_line("retrying");
}

#[test]
fn a_run_outlasts_a_redis_that_stops_and_starts() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let worker = holding(&scene, &scene.url);
    server.stop();
    notices(&worker);
    server.start_again();
    scene.open("gate");
    goes_on(&scene, &worker);
}

#[test]
fn a_run_that_ends_while_redis_is_away_is_acknowledged_later() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let worker = holding(&scene, &scene.url);
    server.stop();
    scene.open("gate");
    worker.wait_for_line("done in");
    notices(&worker);
    server.start_again();
    goes_on(&scene, &worker);
}

#[test]
fn a_long_outage_makes_nobody_slow_to_come_back() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let worker = holding(&scene, &scene.url);
    server.stop();
    scene.open("gate");
    notices(&worker);
    thread::sleep(LONG);
    server.start_again();
    goes_on(&scene, &worker);
}

#[test]
fn a_connection_that_died_silently_is_given_up() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let worker = holding(&scene, &proxy.url());
    // As when a router forgets a connection: nobody is told, and only new ones pass.
    proxy.strand();
    scene.open("gate");
    worker.wait_for_line("done in");
    let stranded = Stopwatch::start();
    scene.send([note(1)]);
    wait_for_end_of_line(&worker, "noted 1");
    report("stranded, the next message ran", stranded);
    assert!(stranded.elapsed() < FIVE_SECONDS, "{worker}");
    scene.settle("both have ended", |counts| counts == Counts::default());
    expect_times(&worker, "let go", 1);
    expect_times(&worker, "noted 1", 1);
}

#[test]
fn a_worker_that_only_waits_notices_that_its_connections_died_silently() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let worker = scene.worker_at(&proxy.url(), 1);
    for number in 1..=3 {
        proxy.strand();
        let stranded = Stopwatch::start();
        scene.send([note(number)]);
        wait_for_end_of_line(&worker, &format!("noted {number}"));
        report(&format!("stranded, message {number} ran"), stranded);
        assert!(stranded.elapsed() < FIVE_SECONDS, "{worker}");
        scene.settle_empty();
    }
}

#[test]
fn what_was_held_up_on_the_way_does_no_harm_when_it_arrives_after_all() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let worker = holding(&scene, &proxy.url());
    proxy.stall();
    scene.open("gate");
    worker.wait_for_line("done in");
    notices(&worker);
    proxy.resume();
    goes_on(&scene, &worker);
}

#[test]
fn a_redis_at_a_new_address_is_found_behind_the_old_one() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to("127.0.0.1:1");
    proxy.redirect(&format!("127.0.0.1:{}", server.port()));
    let worker = holding(&scene, &proxy.url());
    // A fail-over as a worker sees it: cut off, refused for a while, then let through again.
    proxy.redirect("127.0.0.1:1");
    proxy.cut();
    notices(&worker);
    server.kill();
    server.start_again();
    proxy.redirect(&format!("127.0.0.1:{}", server.port()));
    scene.open("gate");
    goes_on(&scene, &worker);
    assert!(eventually(PATIENCE, || (scene.workers().len() == 1).then_some(())).is_some(), "under one id");
}
