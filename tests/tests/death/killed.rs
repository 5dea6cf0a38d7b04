//! kill -9 of a Rust worker, and another one beside it or after it.

use crate::scene::{Scene, delayed, note, prioritised, report, times, wait_for_end_of_line, wait_for_times};
use common::clock::Stopwatch;
use std::time::Duration;
use tests::process::{FIVE_SECONDS, Process};

/// Starts a worker of one slot and kills it while one message runs, one is prefetched, one is prioritised, and one is delayed.
/// Whoever takes part besides has to be too busy to fetch anything.
fn kill_amid_work(scene: &Scene) {
    let before = scene.counts().claimed;
    let victim = scene.worker(1);
    scene.send([scene.hold("a")]);
    victim.wait_for_line("attempt 1 starts");
    scene.send([note(1)]);
    scene.settle("one runs, one is prefetched", |counts| counts.claimed == before + 2);
    scene.send([prioritised(note(2), 5), delayed(note(3), Duration::from_millis(1_500))]);
    let held: usize = scene.redis(&["ZCARD", ":default@held"]);
    let counts = scene.counts();
    assert_eq!((counts.ready, held, counts.delayed, counts.claimed), (1, 1, 1, before + 2), "{victim}");
    victim.kill();
    assert_eq!((times(&victim, "let go"), times(&victim, "noted 1")), (0, 0), "{victim}");
    scene.open("a");
}

/// Waits until `survivor` has run everything, each in time and once.
fn takes_over(scene: &Scene, survivor: &Process, held: usize) {
    let died = Stopwatch::start();
    for said in ["noted 2", "noted 3", "noted 1"] {
        wait_for_end_of_line(survivor, said);
        report(&format!("killed, {said}"), died);
    }
    wait_for_times(survivor, "let go", held);
    report("killed, let go", died);
    assert!(died.elapsed() < FIVE_SECONDS, "after {:?}\n{survivor}", died.elapsed());
    scene.settle_empty();
    for said in ["noted 1", "noted 2", "noted 3"] {
        assert_eq!(times(survivor, said), 1, "{said}\n{survivor}");
    }
    assert_eq!(times(survivor, "let go"), held, "{survivor}");
}

#[test]
fn a_worker_that_is_there_takes_over_within_five_seconds() {
    let scene = Scene::new();
    let survivor = scene.worker(1);
    scene.send([scene.hold("survivor")]);
    survivor.wait_for_line("attempt 1 starts");
    // With one slot and one message that waits, it fetches nothing.
    scene.send([note(9)]);
    scene.settle("the survivor is busy", |counts| counts.claimed == 2);
    kill_amid_work(&scene);
    scene.open("survivor");
    takes_over(&scene, &survivor, 2);
}

#[test]
fn the_first_worker_after_it_takes_over_within_five_seconds() {
    let scene = Scene::new();
    kill_amid_work(&scene);
    let survivor = scene.worker(1);
    takes_over(&scene, &survivor, 1);
}
