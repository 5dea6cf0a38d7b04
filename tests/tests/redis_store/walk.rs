//! Random sequences of everything that may happen: Rust workers that fetch, finish, sleep past their death and die, and
//! Python workers that use dramatiq's own script, on the same two queues.
//!
//! After every step each message that has not ended lies in Redis exactly once, where dramatiq's rules can reach it, and
//! nothing that has ended lies there. In the end one kind of worker alone works off what is left.

pub(crate) mod python;
mod random;
mod steps;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use common::clock::Timestamp;
use common::message::Message;
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Delivery, Disposition, Finished, Registration, Store as _};

use self::python::{Python, Script};
use self::random::Random;
use crate::rig::*;

const QUEUES: [&str; 2] = ["a", "b"];

/// How many sequences there are; each takes some hundred milliseconds.
const WALKS: u64 = 30;

struct Worker {
    registration: Registration,
    held: Vec<Delivery>,
    /// How many beats it will miss.
    asleep: u64,
}

struct Walk {
    rig: Rig,
    script: Script,
    random: Random,
    workers: Vec<Worker>,
    pythons: Vec<Python>,
    /// Messages by their argument.
    last: i64,
    live: HashSet<i64>,
    ended: HashSet<i64>,
    /// What happened, for whoever has to find out why.
    story: Vec<String>,
}

#[tokio::test]
async fn whatever_happens_no_message_is_lost_or_ends_twice() {
    for seed in 1..=WALKS {
        let mut walk = Walk::new(seed).await;
        for _ in 0..40 + walk.random.below(80) {
            walk.step().await;
            walk.check().await;
        }
        if walk.random.chance(50) {
            walk.drain_by_rust().await;
        } else {
            walk.drain_by_python().await;
        }
        assert!(walk.live.is_empty(), "{:?} are left\n{}", walk.live, walk.story());
    }
}

impl Walk {
    async fn new(seed: u64) -> Self {
        let rig = Rig::new().await;
        let script = Script::load(&rig).await;
        Self {
            rig,
            script,
            random: Random::new(seed),
            workers: Vec::new(),
            pythons: vec![Python::new(), Python::new()],
            last: 0,
            live: HashSet::new(),
            ended: HashSet::new(),
            story: vec![format!("seed {seed}")],
        }
    }

    fn story(&self) -> String {
        self.story.join("\n")
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    /// A new message that has to end once.
    fn next(&mut self) -> i64 {
        self.last += 1;
        self.live.insert(self.last);
        self.last
    }

    fn end(&mut self, number: i64) {
        assert!(self.ended.insert(number), "message {number} ended twice\n{}", self.story());
        self.live.remove(&number);
    }

    async fn beat(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        let beat = self.rig.beat(&worker.registration, &claims(&worker.held)).await;
        worker.held.retain(|delivery| !beat.lost.contains(&delivery.claim));
        if beat.moved > 0 || !beat.lost.is_empty() {
            self.story.push(format!("  rust {at} beats: {} moved, {} lost", beat.moved, beat.lost.len()));
        }
    }

    /// Every body that lies there can be reached, and is that of a live message.
    async fn check(&self) {
        let alive: Vec<String> = self.rig.redis(&["ZRANGE", ":__heartbeats__", "0", "-1"]).await;
        let keys = self.rig.keys().await;
        let mut found: HashMap<i64, usize> = HashMap::new();
        for queue in ["a", "b", "a.DQ", "b.DQ"] {
            let mut reachable: HashSet<String> = self.rig.list(&format!(":{queue}")).await.into_iter().collect();
            for key in &keys {
                let Some((worker, of)) = key.strip_prefix(":__acks__.").and_then(|rest| rest.split_once('.')) else {
                    continue;
                };
                if of == queue {
                    assert!(alive.iter().any(|id| id == worker), "{key} has no heartbeat\n{}", self.story());
                    reachable.extend(self.rig.redis::<Vec<String>>(&["SMEMBERS", key]).await);
                }
            }
            let bodies: HashMap<String, Vec<u8>> = self.rig.redis(&["HGETALL", &format!(":{queue}.msgs")]).await;
            for (id, bytes) in bodies {
                assert!(reachable.contains(&id), "{id} of {queue} is out of reach\n{}", self.story());
                *found.entry(number_in(&bytes)).or_default() += 1;
            }
        }
        for number in &self.live {
            let times = found.remove(number).unwrap_or_default();
            assert_eq!(times, 1, "message {number} lies there {times} times\n{}", self.story());
        }
        assert!(found.is_empty(), "{found:?} have ended, and lie there\n{}", self.story());
    }

    async fn drain_by_rust(&mut self) {
        self.tell("rust drains".to_owned());
        self.workers.clear();
        let registration = self.rig.register(&QUEUES).await;
        self.workers.push(Worker { registration: registration.clone(), held: Vec::new(), asleep: 0 });
        // Until the last Python worker is dead for sure.
        for _ in 0..90 {
            self.rig.clock.advance(BEAT_INTERVAL);
            self.beat(0).await;
        }
        self.check().await;
        while !self.live.is_empty() {
            let found = self.rig.fetch(&registration, 50).await;
            assert!(!found.is_empty(), "{:?} do not come\n{}", self.live, self.story());
            for delivery in found {
                assert_eq!(self.rig.finish(&registration, &delivery.claim, Disposition::Ack).await, Finished::Done);
                self.end(arguments(&[delivery])[0]);
            }
            self.check().await;
        }
        self.rig.store.deregister(&registration).await.unwrap();
        for queue in QUEUES.map(QueueName::canonical) {
            let left: i64 =
                self.rig.redis(&["EXISTS", &format!(":{queue}.msgs"), &format!(":{}", queue.delay())]).await;
            assert_eq!(left, 0);
        }
    }

    async fn drain_by_python(&mut self) {
        self.tell("python drains".to_owned());
        let mut python = Python::new();
        for round in 0..40 {
            self.rig.clock.advance(Duration::from_secs(10));
            for queue in ["a", "b", "a.DQ", "b.DQ"] {
                self.script.fetch(&self.rig, &mut python, queue, 100, round > 6).await;
                for taken in std::mem::take(&mut python.held) {
                    assert!(
                        self.script.owns(&self.rig, &python, &taken).await,
                        "another id in the bytes\n{}",
                        self.story()
                    );
                    self.script.end(&self.rig, "ack", &python, &taken).await;
                    self.end(number_in(&taken.bytes));
                }
            }
            self.check().await;
        }
    }
}

/// The argument that tells messages apart.
fn number_in(bytes: &[u8]) -> i64 {
    Message::decode(bytes, Timestamp::EPOCH).unwrap().args[0].read().unwrap()
}
