//! A message that kills its workers, one after the other.

use crate::scene::{Scene, note, times, wait_for_end_of_line, wait_for_times};
use common::{
    clock::Timestamp,
    message::{Message, Raw},
    store::{MAX_CRASHES, SUSPECT_AFTER},
};
use std::time::Duration;
use tests::process::{Process, eventually};
use tests::queue::message;

/// Five deaths, each found within five seconds, and a margin for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_message_that_kills_its_workers_dies_alone() {
    let scene = Scene::new();
    let poison = message("abort", [Raw::from(7_u32), scene.gate_argument("gate")]);
    let innocent = |number: u32| message("linger", [Raw::from(number), scene.gate_argument("gate")]);
    scene.send((1..=3).map(innocent).chain([poison.clone()]).chain((4..=7).map(innocent)));
    // As a supervisor does: whenever it dies, the next one is started.
    let mut workers: Vec<Process> = Vec::new();
    let is_over = |worker: &Process| worker.ended().is_some() || scene.dead_letters().len() == 1;
    while scene.dead_letters().is_empty() {
        // From then on each runs alone, and need not wait for its neighbours.
        if workers.len() == usize::try_from(SUSPECT_AFTER).unwrap() + 1 {
            scene.open("gate");
        }
        let worker = scene.worker(8);
        assert!(eventually(PATIENCE, || is_over(&worker).then_some(())).is_some(), "{worker}");
        workers.push(worker);
    }
    scene.settle_empty();
    let last = workers.last().unwrap();
    assert!(last.ended().is_none(), "it survives the message\n{last}");
    let died = workers.iter().filter(|worker| worker.ended().is_some()).count();
    // Nobody knows who caused the first death, or the second one where it seemed to wait: these do not count.
    let counted = usize::try_from(MAX_CRASHES).unwrap();
    assert!((counted + 1..=counted + 2).contains(&died), "{died} died");

    let letters = scene.dead_letters();
    assert_eq!(letters.len(), 1, "only one message is to blame: {letters:?}");
    assert_eq!(letters[0].reason.as_deref(), Some("its worker died 5 times"));
    let story = "5 workers died while they ran it (max_crashes 5), so it is not run again";
    last.wait_for_line(story);
    let is_told = |line: &String| line.contains("ERROR") && line.contains(story);
    assert_eq!(last.lines().iter().filter(|line| is_told(line)).count(), 1, "{last}");
    let dead = Message::decode(&letters[0].bytes, Timestamp::EPOCH).unwrap();
    assert_eq!((&dead.message_id, dead.retries()), (&poison.message_id, 0), "a death is no retry");
    for number in 1..=7 {
        let said = format!("lingered {number}");
        let has_run = || workers.iter().any(|worker| times(worker, &said) > 0).then_some(());
        // The abort may come between the end of a run and its acknowledgement, so that it runs twice.
        assert!(eventually(PATIENCE, has_run).is_some(), "nobody said `{said}`");
    }
    let told =
        |worker: &&Process| worker.lines().iter().any(|line| line.contains("no other such message runs beside it"));
    assert!(workers.iter().any(|worker| told(&worker)), "{}", workers[2]);
}

/// Kills a worker while it holds so many messages and runs so many of them.
fn kill_amid(scene: &Scene, threads: usize, held: usize, runs: usize) {
    let victim = scene.worker(threads);
    let is_running = || victim.lines().iter().filter(|line| line.contains("attempt 1 starts")).count() == runs;
    assert!(eventually(PATIENCE, || is_running().then_some(())).is_some(), "{victim}");
    scene.settle("all are fetched", |counts| counts.claimed == held);
    victim.kill();
}

/// How many deaths are held against all messages together.
fn deaths(scene: &Scene) -> u32 {
    let notes: Vec<String> = scene.redis(&["HVALS", ":default@crashes"]);
    notes.iter().filter_map(|note| note.split(' ').next()?.parse::<u32>().ok()).sum()
}

#[test]
fn what_was_prefetched_is_never_blamed() {
    let scene = Scene::new();
    // One slot: one of them runs, and the other one waits, whichever it is.
    scene.send([scene.hold("gate"), scene.hold("gate")]);
    for _ in 0..4 {
        kill_amid(&scene, 1, 2, 1);
    }
    let survivor = scene.worker(1);
    survivor.wait_for_line("attempt 1 starts");
    let counted = deaths(&scene);
    assert!((1..=3).contains(&counted), "of four deaths {counted} count");
    scene.open("gate");
    wait_for_times(&survivor, "let go", 2);
    scene.settle_empty();
    assert_eq!(deaths(&scene), 0);
}

#[test]
fn what_several_workers_died_with_costs_a_slot_and_starves_nobody() {
    let scene = Scene::new();
    scene.send([scene.hold("gate"), scene.hold("gate")]);
    // The first death marks them; two more count.
    for _ in 0..3 {
        kill_amid(&scene, 4, 2, 2);
    }
    let survivor = scene.worker(4);
    survivor.wait_for_line("no other such message runs beside it");
    survivor.wait_for_line("attempt 1 starts");
    scene.send((1..=6).map(note));
    for number in 1..=6 {
        wait_for_end_of_line(&survivor, &format!("noted {number}"));
    }
    assert_eq!(times(&survivor, "let go"), 0, "both wait for the gate");
    let starts =
        survivor.lines().iter().filter(|line| line.contains("hold(") && line.contains("attempt 1 starts")).count();
    assert_eq!(starts, 1, "only one of the two runs\n{survivor}");
    scene.open("gate");
    wait_for_times(&survivor, "let go", 2);
    scene.settle_empty();
}
