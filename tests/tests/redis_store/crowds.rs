//! Many that are silent at once: dead workers, fleets that nobody renews any more, and Python's.

use std::collections::HashSet;

use common::store::Inspect as _;

use crate::rig::*;

/// As workers lie there that claimed a message each and died; one script, as thousands of calls would take long.
pub(crate) const DEAD: &str = "
for i = 1, tonumber(ARGV[1]) do
  local worker, id = 'dead-' .. i, 'm-' .. i
  for _, key in ipairs({ ':__heartbeats__', ':@beats' }) do redis.call('ZADD', KEYS[1] .. key, ARGV[2], worker) end
  redis.call('HSET', KEYS[1] .. ':@rust', worker, 'default')
  redis.call('SADD', KEYS[1] .. ':__acks__.' .. worker .. '.default', id)
  redis.call('HSET', KEYS[1] .. ':default.msgs', id, (ARGV[3]:gsub('ID', id)))
end";

/// Fleets that were left, of which some hold a delayed message, and Python's senders.
const LEFT: &str = "
for i = 1, tonumber(ARGV[1]) do
  redis.call('ZADD', KEYS[1] .. ':__heartbeats__', ARGV[2], 'fleet-' .. i, ARGV[2], 'python-' .. i)
  redis.call('HSET', KEYS[1] .. ':@rust', 'fleet-' .. i, '@q' .. i)
  if i % 10 == 0 then redis.call('SADD', KEYS[1] .. ':__acks__.fleet-' .. i .. '.q' .. i .. '.DQ', 'm') end
end";

pub(crate) async fn plant(rig: &Rig, script: &str, count: usize, score: i64) {
    let mut eval = redis::cmd("EVAL");
    eval.arg(script).arg(1).arg(&rig.namespace).arg(count).arg(score).arg(body_in("default", "ID", ""));
    rig.call::<()>(&eval).await;
}

#[tokio::test]
async fn a_thousand_workers_that_died_together_are_found_in_the_time_of_one() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    plant(&rig, DEAD, 1_000, rig.now()).await;
    assert_eq!(rig.beats(&worker, &[], 4).await, 1_000);
    assert_eq!(rig.list(":default").await.len(), 1_000);
    let left: (i64, i64) = (rig.redis(&["ZCARD", ":@beats"]).await, rig.redis(&["HLEN", ":@rust"]).await);
    assert_eq!(left, (1, 2), "the worker, and its fleet");
}

#[tokio::test]
async fn workers_that_are_left_share_the_dead() {
    let rig = Rig::new().await;
    let mut workers = Vec::new();
    for _ in 0..40 {
        workers.push(rig.register(&["default"]).await);
    }
    plant(&rig, DEAD, 1_000, rig.now()).await;
    let mut moved = 0;
    // Some may be nobody's share at first, and are somebody's once others are gone.
    for _ in 0..8 {
        rig.clock.advance(common::store::BEAT_INTERVAL);
        for worker in &workers {
            moved += rig.beat(worker, &[]).await.moved;
        }
    }
    assert_eq!(moved, 1_000, "each once");
}

#[tokio::test]
async fn whatever_else_is_silent_a_dead_worker_is_found_at_once() {
    let rig = Rig::new().await;
    let (dying, worker) = (rig.register(&["default"]).await, rig.register(&["default"]).await);
    rig.enqueue(&[message("default", 1)]).await;
    rig.fetch(&dying, 1).await;
    plant(&rig, LEFT, 2_000, rig.now() - 30_000).await;
    assert_eq!(rig.beats(&worker, &[], 4).await, 1);
    // A page a beat, what is left of others goes as well, but for what holds something.
    rig.beats(&worker, &[], 60).await;
    let all: Vec<(String, String)> = rig.redis(&["HGETALL", ":@rust"]).await;
    let left = all.iter().filter(|(id, _)| id.starts_with("fleet-")).count();
    assert_eq!(left, 200);
    let heartbeats: HashSet<String> = rig.redis(&["ZRANGE", ":__heartbeats__", "0", "-1"]).await;
    assert_eq!(heartbeats.iter().filter(|id| id.starts_with("fleet-")).count(), 200);
    // Python's patience is a minute; and nothing was held by any of these.
    rig.beats(&worker, &[], 90).await;
    let heartbeats: HashSet<String> = rig.redis(&["ZRANGE", ":__heartbeats__", "0", "-1"]).await;
    assert_eq!(heartbeats.iter().filter(|id| id.starts_with("python-")).count(), 0);
}

#[tokio::test]
async fn a_dead_worker_of_ten_thousand_queues_is_swept_and_taken_off() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    let queues: Vec<String> = (0..10_000).map(|at| format!("q{at}")).collect();
    for key in [":__heartbeats__", ":@beats"] {
        let _: i64 = rig.redis(&["ZADD", key, &rig.now().to_string(), "dead"]).await;
    }
    let _: i64 = rig.redis(&["HSET", ":@rust", "dead", &queues.join(" ")]).await;
    for queue in ["q7", "q9999"] {
        let _: i64 = rig.redis(&["SADD", &format!(":__acks__.dead.{queue}"), "m"]).await;
        let _: i64 = rig.redis(&["HSET", &format!(":{queue}.msgs"), "m", &body_in(queue, "m", "")]).await;
    }
    assert_eq!(rig.beats(&worker, &[], 5).await, 2);
    assert_eq!((rig.list(":q7").await, rig.list(":q9999").await), (vec!["m".to_owned()], vec!["m".to_owned()]));
    let score: Option<f64> = rig.redis(&["ZSCORE", ":@beats", "dead"]).await;
    assert_eq!(score, None);
}

#[tokio::test]
async fn what_cannot_be_taken_over_from_one_of_the_dead_holds_up_no_other() {
    let rig = Rig::new().await;
    let worker = rig.register(&["default"]).await;
    plant(&rig, DEAD, 20, rig.now()).await;
    let _: () = rig.redis(&["HSET", ":@rust", "dead-1", "foreign"]).await;
    let _: i64 = rig.redis(&["SADD", ":__acks__.dead-1.foreign", "m"]).await;
    let _: i64 = rig.redis(&["HSET", ":foreign.msgs", "m", "x"]).await;
    let _: () = rig.redis(&["SET", ":foreign", "somebody's"]).await;
    assert_eq!(rig.beats(&worker, &[], 5).await, 19);
    let _: i64 = rig.redis(&["DEL", ":foreign"]).await;
    assert_eq!(rig.beats(&worker, &[], 1).await, 1);
    assert_eq!(rig.store.counts(&worker.queues[0]).await.unwrap().claimed, 0);
}
