//! A Python worker whose clock is wrong.

use crate::scene::{Scene, wait_for_end_of_line};
use std::time::Duration;
use tests::{process::eventually, python};

/// Two minutes ahead; it does its upkeep with every command, as others of its kind do now and then.
const AHEAD: &str = "
import dramatiq
import dramatiq.brokers.redis as redis_broker
from kit_broker import broker

broker.maintenance_chance = 1_000_000
real = redis_broker.current_millis
redis_broker.current_millis = lambda: real() + 120_000
print('id', broker.broker_id)

@dramatiq.actor
def other():
    pass
";

#[test]
fn who_is_robbed_by_a_worker_whose_clock_is_ahead_names_it_once() {
    let scene = Scene::new();
    let victim = scene.worker(1);
    scene.send([scene.hold("gate")]);
    victim.wait_for_line("attempt 1 starts");
    let python = python::dramatiq_with(&["--queues", "default"], AHEAD, &scene.url, &scene.namespace);
    let line = python.wait_for_line("id ");
    let id = line.trim_end().rsplit(' ').next().unwrap().to_owned();
    victim.wait_for("who robs it", |line| line.contains(&id) && line.contains("ahead of the server's"));
    // Robbed, and for some looks more.
    wait_for_end_of_line(&victim, "told to stop");
    let lines = || victim.lines().into_iter().filter(|line| line.contains("ahead of the server's")).collect::<Vec<_>>();
    // Among Rust's workers; Python removes the other sign of life.
    let beats = || scene.redis::<Vec<String>>(&["ZRANGE", ":@beats", "0", "-1", "WITHSCORES"]);
    for _ in 0..3 {
        let before = beats();
        assert!(eventually(Duration::from_secs(20), || (beats() != before).then_some(())).is_some(), "{victim}");
    }
    let said = lines();
    assert_eq!(said.len(), 1, "{victim}");
    assert!(said[0].contains("WARN") && (said[0].contains(" 119 s ") || said[0].contains(" 120 s ")), "{said:?}");
    scene.open("gate");
}
