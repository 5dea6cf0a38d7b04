//! A host with a thousand workers dies, beside what is left of thousands of others.

use crate::scene::{Scene, note, report, times};
use common::clock::Stopwatch;
use common::message::{Raw, option};
use std::time::Duration;
use tests::process::{TEN_SECONDS, eventually};

const DEAD: usize = 1_000;

/// As it lies there when workers have claimed a message each and died, and when fleets, and senders in Python, were there before
/// them. One script, as it would take long to start and to kill them all. ARGV: how many, now, (id, body)*
const PLANT: &str = "
for i = 1, tonumber(ARGV[1]) do
  local worker, id, body = 'dead-' .. i, ARGV[2 * i + 1], ARGV[2 * i + 2]
  redis.call('ZADD', KEYS[1] .. ':__heartbeats__', ARGV[2], worker, ARGV[2] - 9000, 'python-' .. i)
  redis.call('ZADD', KEYS[1] .. ':@beats', ARGV[2], worker)
  redis.call('HSET', KEYS[1] .. ':@rust', worker, 'default')
  redis.call('SADD', KEYS[1] .. ':__acks__.' .. worker .. '.default', id)
  redis.call('HSET', KEYS[1] .. ':default.msgs', id, body)
  for j = 0, 1 do
    redis.call('ZADD', KEYS[1] .. ':__heartbeats__', ARGV[2] - 9000, 'fleet-' .. i .. '-' .. j)
    redis.call('HSET', KEYS[1] .. ':@rust', 'fleet-' .. i .. '-' .. j, '@left-' .. i .. '-' .. j)
  end
end";

#[test]
fn all_messages_of_a_thousand_workers_that_died_together_run_within_ten_seconds() {
    let scene = Scene::new();
    let survivor = scene.worker(8);
    let (seconds, micros): (i64, i64) = scene.redis(&["TIME"]);
    let mut words = vec![DEAD.to_string(), (seconds * 1_000 + micros / 1_000).to_string()];
    for number in 0..DEAD {
        let mut message = note(u32::try_from(number).unwrap());
        let id = message.message_id.to_string();
        message.options.set(option::REDIS_MESSAGE_ID, Raw::from(id.as_str()));
        words.extend([id, String::from_utf8(message.encode()).unwrap()]);
    }
    let mut all = vec!["EVAL", PLANT, "1", &scene.namespace];
    all.extend(words.iter().map(String::as_str));
    let died = Stopwatch::start();
    let _: () = scene.redis(&all);
    let ran = || (0..DEAD).all(|number| times(&survivor, &format!("  noted {number}")) == 1).then_some(());
    let is_over = || survivor.lines().iter().filter(|line| line.contains("noted ")).count() >= DEAD;
    let over = eventually(Duration::from_secs(60), || is_over().then_some(()));
    let took = died.elapsed();
    report("a thousand died, all has run", died);
    assert!(over.is_some() && ran().is_some(), "{survivor}");
    assert!(took < TEN_SECONDS, "{took:?}");
    scene.settle_empty();
    let taken_off =
        eventually(Duration::from_secs(60), || (scene.redis::<usize>(&["HLEN", ":@rust"]) == 2).then_some(()));
    assert!(taken_off.is_some(), "two thousand fleets that hold nothing are taken off");
}
