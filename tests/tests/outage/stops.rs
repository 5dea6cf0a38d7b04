//! Signals, in the middle of work and before there is any.

use crate::scene::{DURABLE, Scene, ends_well, note, report, times, wait_for_times};
use common::clock::Stopwatch;
use common::store::Counts;
use std::time::Duration;
use tests::{
    process::{PATIENCE, Process, eventually},
    proxy::Proxy,
    redis::Server,
};

/// Promised are two seconds; the rest is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

/// A worker that runs two messages, and has fetched three more, which lie in this order when they come back.
fn busy(scene: &Scene) -> (Process, Vec<String>) {
    let worker = scene.worker(2);
    scene.send([scene.hold("gate"), scene.hold("gate")]);
    let runs = || worker.lines().iter().filter(|line| line.contains("attempt 1 starts")).count();
    assert!(eventually(PATIENCE, || (runs() == 2).then_some(())).is_some(), "{worker}");
    let notes = [1, 2, 3].map(note);
    let ids = notes.iter().map(|note| note.message_id.as_str().to_owned()).collect();
    scene.send(notes);
    scene.settle("two run, three are prefetched", |counts| counts.claimed == 5);
    (worker, ids)
}

fn list(scene: &Scene) -> Vec<String> {
    scene.redis(&["LRANGE", ":default", "0", "-1"])
}

#[test]
fn a_signal_requeues_what_waits_in_order_before_what_runs_has_ended() {
    let scene = Scene::new();
    let (worker, ids) = busy(&scene);
    let told = Stopwatch::start();
    worker.terminate();
    scene.settle("the three are back", |counts| (counts.ready, counts.claimed) == (3, 2));
    report("told to stop, requeued", told);
    assert_eq!(list(&scene), ids, "at the head, in order");
    // At the head: what comes later lies behind them.
    scene.send([note(4)]);
    assert_eq!(list(&scene)[..3], ids);
    assert!(worker.ended().is_none() && times(&worker, "let go") == 0, "{worker}");
    scene.open("gate");
    ends_well(&worker);
    wait_for_times(&worker, "let go", 2);
    assert_eq!(scene.counts().claimed, 0, "{worker}");
    assert_eq!(list(&scene).len(), 4, "it has run nothing else\n{worker}");
    assert!(scene.workers().is_empty(), "it has signed off\n{worker}");
}

#[test]
fn more_than_a_thousand_that_wait_go_back_in_their_order() {
    // More than one call to the server takes.
    const SLOTS: usize = 2;
    const WAITING: usize = 1_002;
    let scene = Scene::new();
    let notes: Vec<_> = (0..WAITING).map(|number| note(u32::try_from(number).unwrap())).collect();
    let ids: Vec<_> = notes.iter().map(|note| note.message_id.to_string()).collect();
    // All of them before there is a worker, which fetches again only when less than half of its room is taken.
    scene.send((0..SLOTS).map(|_| scene.hold("gate")).chain(notes));
    let worker = scene.start_worker(&scene.url, SLOTS, 2 * WAITING);
    scene.settle("all are fetched", |counts| (counts.ready, counts.claimed) == (0, SLOTS + WAITING));
    worker.interrupt();
    scene.settle("what waits is back", |counts| (counts.ready, counts.claimed) == (WAITING, SLOTS));
    assert!(list(&scene) == ids, "in another order: {:?}", list(&scene));
    scene.open("gate");
    ends_well(&worker);
    assert!(list(&scene) == ids && times(&worker, "let go") == SLOTS, "{worker}");
}

#[test]
fn a_second_signal_requeues_everything() {
    let scene = Scene::new();
    let (worker, ids) = busy(&scene);
    worker.terminate();
    scene.settle("the three are back", |counts| (counts.ready, counts.claimed) == (3, 2));
    let told = Stopwatch::start();
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    assert!(told.elapsed() < AT_ONCE, "{worker}");
    let back = list(&scene);
    assert_eq!((back.len(), &back[2..]), (5, &ids[..]), "what ran lies before what waited");
    assert!(scene.workers().is_empty(), "it has signed off\n{worker}");
}

#[test]
fn a_third_signal_waits_for_nobody() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let (worker, _) = busy(&scene);
    // Nothing can be requeued, which the second signal would wait for.
    server.pause();
    let told = Stopwatch::start();
    worker.terminate();
    worker.wait_for_line("Ctrl-C again requeues running messages");
    worker.terminate();
    worker.wait_for_line("shutting down at once");
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    report("the first of three signals, ended", told);
    assert!(told.elapsed() < AT_ONCE, "{worker}");

    // Nothing is lost: another worker finds it dead.
    server.resume();
    scene.open("gate");
    let survivor = scene.worker(2);
    wait_for_times(&survivor, "let go", 2);
    for number in 1..=3 {
        wait_for_times(&survivor, &format!("noted {number}"), 1);
    }
    scene.settle_empty();
}

/// How long everything takes, each way: so deregistering takes seconds.
const SLOW: Duration = Duration::from_millis(600);

#[test]
fn a_second_signal_while_a_worker_deregisters_ends_it_and_says_nothing_of_what_it_holds() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let worker = scene.worker_at(&proxy.url(), 1);
    proxy.delay(SLOW);
    worker.terminate();
    let is_off = || scene.workers().is_empty().then_some(());
    assert!(
        eventually(PATIENCE, is_off).is_some(),
        "it is taken off, and hands over what it kept for others\n{worker}"
    );
    let told = Stopwatch::start();
    worker.terminate();
    ends_well(&worker);
    assert!(told.elapsed() < AT_ONCE, "{worker}");
    worker.wait_for_line("no claims are left");
    worker.wait_for_line("stopped: running messages finished");
    assert!(!worker.lines().iter().any(|line| line.contains("find this worker dead")), "{worker}");
}

/// What a worker says that waits for its broker.
const WAITS: &str = "the broker has not taken the end of 1 run yet";

/// A worker that is told to stop, and has run a message whose end its broker does not take.
fn with_an_end_left(scene: &Scene, url: &str, goes_away: impl FnOnce()) -> Process {
    let worker = scene.worker_at(url, 1);
    scene.send([scene.hold("gate")]);
    worker.wait_for_line("attempt 1 starts");
    goes_away();
    scene.open("gate");
    worker.wait_for_line("done in");
    worker.terminate();
    worker.wait_for_line(WAITS);
    worker
}

#[test]
fn a_stop_waits_for_the_ends_of_runs_while_redis_stalls() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let worker = with_an_end_left(&scene, &proxy.url(), || proxy.stall());
    proxy.resume();
    ends_well(&worker);
    assert_eq!(scene.counts(), Counts::default(), "its end is stored\n{worker}");
    assert!(scene.workers().is_empty(), "it has signed off\n{worker}");
}

#[test]
fn a_stop_waits_for_the_ends_of_runs_while_redis_is_away() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let worker = with_an_end_left(&scene, &scene.url, || server.stop());
    server.start_again();
    ends_well(&worker);
    scene.settle_empty();
}

#[test]
fn a_second_signal_waits_no_longer_for_a_redis_that_is_away() {
    let mut server = Server::start_with(&DURABLE);
    let scene = Scene::on(&server.url());
    let worker = with_an_end_left(&scene, &scene.url, || server.stop());
    let told = Stopwatch::start();
    worker.terminate();
    assert_eq!(worker.wait().code(), Some(1), "{worker}");
    assert!(told.elapsed() < AT_ONCE, "{worker}");
    // It runs again, as was said.
    server.start_again();
    let survivor = scene.worker(1);
    wait_for_times(&survivor, "let go", 1);
    scene.settle_empty();
}

/// How long Redis stalls again and again, which is what is tested.
const STALL: Duration = Duration::from_millis(1_200);

#[test]
fn rolling_restarts_run_nothing_twice_though_redis_stalls() {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let mut workers = vec![scene.worker(4)];
    let mut sent = 0;
    for _ in 0..5 {
        let notes: Vec<_> = (sent..sent + 300).map(note).collect();
        sent += 300;
        workers.push(scene.worker(4));
        scene.send(notes);
        let old = &workers[workers.len() - 2];
        let has_begun = || old.lines().iter().any(|line| line.contains("noted"));
        assert!(eventually(PATIENCE, || has_begun().then_some(())).is_some() || old.ended().is_some(), "{old}");
        server.pause();
        old.terminate();
        std::thread::sleep(STALL);
        server.resume();
        ends_well(old);
    }
    scene.settle_empty();
    let mut runs: Vec<u32> = Vec::new();
    for worker in &workers {
        let number = |line: String| line.rsplit_once("noted ").and_then(|(_, number)| number.parse::<u32>().ok());
        runs.extend(worker.lines().into_iter().filter_map(number));
    }
    runs.sort_unstable();
    assert_eq!(runs, (0..sent).collect::<Vec<_>>(), "each ran once");
}

#[test]
fn a_signal_during_the_start_leaves_nothing_behind() {
    let scene = Scene::new();
    scene.send([note(1)]);
    for _ in 0..10 {
        let worker = scene.start_worker(&scene.url, 2, 4);
        // The first line that it says; it is about to connect, or to register, or ready.
        worker.wait_for_line("broker");
        worker.terminate();
        let told = Stopwatch::start();
        assert_eq!(worker.wait().code(), Some(0), "{worker}");
        assert!(told.elapsed() < AT_ONCE, "{worker}");
        assert_eq!(scene.counts().claimed, 0, "{worker}");
        assert!(scene.workers().is_empty(), "{worker}");
    }
    let survivor = scene.worker(2);
    scene.settle_empty();
    survivor.terminate();
    ends_well(&survivor);
}
