//! Workers that are far away from their Redis: whatever they say takes its time.

use crate::scene::{Scene, report, times, wait_for_end_of_line};
use common::clock::Stopwatch;
use common::store::BEAT_INTERVAL;
use std::time::Duration;
use tests::{
    process::{PATIENCE, Process, eventually},
    proxy::Proxy,
    redis::Server,
};

/// For a busy machine.
const MARGIN: Duration = Duration::from_secs(3);

/// What a worker that was killed held runs on another one; answers how long that took.
fn takes_over(latency: Duration) -> Duration {
    let server = Server::start();
    let scene = Scene::on(&server.url());
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    proxy.delay(latency);
    let mut survivors: Vec<Process> = (0..3).map(|_| scene.start_worker(&proxy.url(), 1, 2)).collect();
    for worker in &survivors {
        worker.wait_for_line("ready: ");
    }
    scene.send([scene.hold("gate")]);
    scene.settle("it runs", |counts| counts.claimed == 1);
    let runs = |worker: &Process| worker.lines().iter().any(|line| line.contains("attempt 1 starts"));
    let victim = eventually(PATIENCE, || survivors.iter().position(runs)).expect("one of them runs it");
    let victim = survivors.swap_remove(victim);
    victim.kill();
    let died = Stopwatch::start();
    scene.open("gate");
    let taken = eventually(PATIENCE, || survivors.iter().find(|survivor| times(survivor, "let go") > 0));
    let took = died.elapsed();
    report(&format!("killed at {latency:?} each way, let go"), died);
    let survivor = taken.unwrap_or_else(|| panic!("never taken over\n{}{}", survivors[0], survivors[1]));
    wait_for_end_of_line(survivor, "let go");
    scene.settle_empty();
    assert!(!survivors.iter().any(|survivor| survivor.lines().iter().any(|line| line.contains("missed heartbeats"))));
    took
}

/// As the docs of `stores/looks.rs` have it, and the fetch after that.
fn bound(latency: Duration) -> Duration {
    let there_and_back = 2 * latency;
    let gap = BEAT_INTERVAL.max(there_and_back + BEAT_INTERVAL / 4);
    let looks = (2 * BEAT_INTERVAL).as_secs_f64() / gap.as_secs_f64();
    BEAT_INTERVAL + gap + gap.mul_f64(looks.ceil()) + 3 * there_and_back
}

#[test]
fn a_worker_far_away_is_found_dead_by_others_far_away() {
    let latencies = [150, 300, 600].map(Duration::from_millis);
    std::thread::scope(|scope| {
        let each = latencies.map(|latency| (latency, scope.spawn(move || takes_over(latency))));
        for (latency, took) in each {
            let took = took.join().unwrap();
            assert!(took < bound(latency) + MARGIN, "{took:?} at {latency:?} each way");
        }
    });
}
