//! Workers that only seem dead, or never do: SIGSTOP and SIGCONT, too much to do, a wrong clock.

use crate::scene::{Scene, ends_well, expect_times, note, report, wait_for_end_of_line, wait_for_times};
use common::{
    clock::{Clock, Stopwatch, Timestamp},
    message::Raw,
    queue_name::QueueName,
    store::{BEAT_INTERVAL, Claim, Completion, Disposition, FetchRequest, Finished, Registration, Store},
    stores::redis::RedisStore,
};
use std::{thread, time::Duration};
use tests::process::{FIVE_SECONDS, PATIENCE, Process, eventually};
use tests::queue::message;

#[test]
fn a_worker_paused_for_too_long_drops_what_it_ran_and_goes_on() {
    let scene = Scene::new();
    let sleeper = scene.worker(1);
    scene.send([scene.hold("gate")]);
    sleeper.wait_for_line("attempt 1 starts");
    let survivor = scene.worker(1);
    sleeper.suspend();
    let paused = Stopwatch::start();
    survivor.wait_for_line("attempt 1 starts");
    report("paused, taken over", paused);
    assert!(paused.elapsed() < FIVE_SECONDS, "{survivor}");

    sleeper.resume();
    wait_for_end_of_line(&sleeper, "told to stop");
    sleeper.wait_for_line("1 acknowledgement");
    assert_eq!(scene.counts().claimed, 1, "the survivor still holds it\n{survivor}");
    scene.open("gate");
    wait_for_end_of_line(&survivor, "let go");
    scene.settle_empty();
    survivor.terminate();
    ends_well(&survivor);
    scene.send([note(1)]);
    wait_for_end_of_line(&sleeper, "noted 1");
    sleeper.terminate();
    ends_well(&sleeper);
}

/// A worker whose slot and whose prefetch are taken, so that it no longer fetches.
fn too_busy_to_fetch(scene: &Scene) -> Process {
    let busy = scene.worker(1);
    scene.send([scene.hold("peer")]);
    busy.wait_for_line("attempt 1 starts");
    scene.send([note(9)]);
    scene.settle("the peer has enough", |counts| (counts.ready, counts.claimed) == (0, 2));
    busy
}

/// A worker that was paused while it ran a message, until the peer has put that back. It goes on, and has fetched the message
/// once more, into its second slot.
fn runs_it_twice(scene: &Scene) -> Process {
    let sleeper = scene.worker(2);
    scene.send([scene.hold("gate")]);
    sleeper.wait_for_line("attempt 1 starts");
    sleeper.suspend();
    scene.settle("it is back in its queue", |counts| (counts.ready, counts.claimed) == (1, 2));
    sleeper.resume();
    wait_for_end_of_line(&sleeper, "told to stop");
    sleeper.wait_for_line("1 acknowledgement");
    let starts = || sleeper.lines().iter().filter(|line| line.contains("attempt 1 starts")).count();
    assert!(eventually(PATIENCE, || (starts() == 2).then_some(())).is_some(), "{sleeper}");
    sleeper
}

#[test]
fn the_end_of_a_run_that_was_lost_leaves_alone_the_second_one_of_the_same_worker() {
    let scene = Scene::new();
    let peer = too_busy_to_fetch(&scene);
    let sleeper = runs_it_twice(&scene);
    // Its first slot is free, so this one runs there, and is stored after whatever the first run left.
    scene.send([note(1)]);
    wait_for_end_of_line(&sleeper, "noted 1");
    scene.settle("the second run holds it", |counts| (counts.ready, counts.claimed) == (0, 3));
    let of_losses = sleeper.lines().iter().filter(|line| line.contains("running: its claim was taken over")).count();
    assert_eq!(of_losses, 1, "said once\n{sleeper}");
    scene.open("gate");
    wait_for_end_of_line(&sleeper, "let go");
    scene.open("peer");
    scene.settle_empty();
    expect_times(&sleeper, "let go", 1);
    expect_times(&peer, "let go", 1);
    sleeper.terminate();
    ends_well(&sleeper);
}

#[test]
fn what_a_worker_lost_and_fetched_again_survives_its_death() {
    let scene = Scene::new();
    let peer = too_busy_to_fetch(&scene);
    let sleeper = runs_it_twice(&scene);
    scene.send([note(1)]);
    wait_for_end_of_line(&sleeper, "noted 1");
    sleeper.kill();
    scene.open("gate");
    scene.open("peer");
    wait_for_times(&peer, "let go", 2);
    scene.settle_empty();
}

#[test]
fn an_idle_worker_paused_for_too_long_wakes_to_what_came_meanwhile() {
    let scene = Scene::new();
    let sleeper = scene.worker(1);
    let known = scene.workers();
    let survivor = scene.worker(1);
    sleeper.suspend();
    let is_gone = eventually(PATIENCE, || (!scene.workers().contains(&known[0])).then_some(()));
    assert!(is_gone.is_some(), "{survivor}");
    survivor.terminate();
    ends_well(&survivor);
    // Its beat is overdue, and there is something to fetch: it does either first.
    scene.send([note(1), note(2)]);
    let woke = Stopwatch::start();
    sleeper.resume();
    for said in ["noted 1", "noted 2"] {
        wait_for_end_of_line(&sleeper, said);
    }
    report("woken, went on", woke);
    scene.settle_empty();
    assert_eq!(scene.workers(), known, "under the same id");
    sleeper.terminate();
    ends_well(&sleeper);
}

/// How long the worker is stopped, which is what is tested. Begun at any moment between two beats, it ends well before three intervals
/// are over.
const SHORT_PAUSE: Duration = Duration::from_millis(1_500);

#[test]
fn a_worker_paused_for_less_is_not_robbed() {
    let scene = Scene::new();
    let sleeper = scene.worker(1);
    scene.send([scene.hold("gate")]);
    sleeper.wait_for_line("attempt 1 starts");
    let worker = scene.workers().remove(0);
    let survivor = scene.worker(1);
    let score = || scene.redis::<String>(&["ZSCORE", ":__heartbeats__", &worker]);
    for _ in 0..3 {
        let before = score();
        sleeper.suspend();
        thread::sleep(SHORT_PAUSE);
        sleeper.resume();
        assert!(eventually(PATIENCE, || (score() != before).then_some(())).is_some(), "it beats again\n{sleeper}");
    }
    scene.open("gate");
    sleeper.wait_for_line("done in");
    scene.settle_empty();
    let lines = [sleeper.lines(), survivor.lines()].concat();
    assert_eq!(lines.iter().filter(|line| line.contains("attempt 1 starts")).count(), 1, "{sleeper}{survivor}");
    assert!(!lines.iter().any(|line| line.contains("rejected")), "{sleeper}");
}

/// Longer than it takes to find a worker dead.
const BEYOND_DEATH: u32 = 6;

#[test]
fn a_worker_whose_slots_all_spin_is_not_robbed() {
    let scene = Scene::new();
    let busy = scene.worker(2);
    let spins = [1, 2].map(|_| message("spin", [Raw::from(BEYOND_DEATH)]));
    scene.send(spins);
    scene.settle("both are fetched", |counts| counts.claimed == 2);
    // Prefetched by the busy one; the other may have what is left.
    scene.send([note(1), note(2)]);
    scene.settle("all are prefetched", |counts| counts.claimed == 4);
    let _survivor = scene.worker(2);
    wait_for_times(&busy, "spun", 2);
    scene.settle_empty();
    expect_times(&busy, "noted 1", 1);
    expect_times(&busy, "noted 2", 1);
    assert!(!busy.lines().iter().any(|line| line.contains("rejected")), "{busy}");
}

/// A worker as the store sees it, with a clock of its own.
struct Peer {
    store: RedisStore,
    clock: Clock,
    registration: Registration,
}

impl Peer {
    async fn register(scene: &Scene, time: Timestamp) -> Self {
        let clock = Clock::manual(time);
        let store = tests::redis::store(&scene.url, &scene.namespace, &clock).await;
        let registration = store.register(&[QueueName::default()]).await.unwrap();
        Self { store, clock, registration }
    }

    async fn fetch_one(&self) -> Claim {
        let requests = [FetchRequest { queue: QueueName::default(), count: 1, before: None }];
        self.store.fetch(&self.registration, &requests, usize::MAX).await.unwrap().deliveries.remove(0).claim
    }

    /// Lets one interval pass, and beats; answers what moved.
    async fn beat(&self, held: &Claim) -> usize {
        self.clock.advance(BEAT_INTERVAL);
        let beat = self.store.beat(&self.registration, std::slice::from_ref(held), &[]).await.unwrap();
        assert_eq!(beat.lost, []);
        beat.moved
    }
}

#[tokio::test]
async fn workers_with_wrong_clocks_rob_nobody_and_are_not_robbed() {
    let scene = tokio::task::spawn_blocking(Scene::new).await.unwrap();
    let noon = Timestamp::from_millis(1_800_000_000_000);
    let day = Duration::from_secs(86_400);
    scene.send([note(1), note(2), note(3)]);
    let peers = [
        Peer::register(&scene, noon + day).await,
        Peer::register(&scene, noon).await,
        Peer::register(&scene, noon + day * 2).await,
    ];
    let mut held = Vec::new();
    for peer in &peers {
        held.push(peer.fetch_one().await);
    }
    for _ in 0..60 {
        for (peer, claim) in peers.iter().zip(&held) {
            assert_eq!(peer.beat(claim).await, 0);
        }
    }
    for (peer, claim) in peers.iter().zip(&held) {
        let completion = Completion { claim: claim.clone(), disposition: Disposition::Ack, effects: Vec::new() };
        assert_eq!(peer.store.finish(&peer.registration, &[completion]).await.unwrap(), [Finished::Done]);
    }
    tokio::task::spawn_blocking(move || drop(scene)).await.unwrap();
}
