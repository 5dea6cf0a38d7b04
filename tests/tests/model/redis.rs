//! The store on Redis.

use crate::run;
use common::clock::Clock;
use std::sync::Arc;
use tests::model::{
    operation::{Kind, Operation},
    places::Move,
    python::Script,
    runner::{Runner, START},
    sequence::{Scene, Stage},
    tolerances::Tolerances,
};

/// How many sequences a normal run plays, and a whole one.
const SEQUENCES: [u64; 2] = [300, 1_200];

/// How many of them at once: most of the time of each is waiting.
const AT_ONCE: usize = 6;

pub(crate) struct Redis {
    pub(crate) url: String,
}

impl Stage for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances::REDIS
    }

    fn kinds(&self) -> Vec<Kind> {
        Kind::of_messages()
    }

    fn moves(&self) -> Vec<Move> {
        Move::ALL.to_vec()
    }

    async fn open(&self, clock: Clock) -> Scene {
        scene(&self.url, clock).await
    }
}

pub(crate) async fn scene(url: &str, clock: Clock) -> Scene {
    let namespace = tests::redis::fresh_namespace();
    let store = tests::redis::store(url, &namespace, &clock).await;
    let script = Script::load(url, &namespace).await;
    Scene { store: Arc::new(store), results: format!("{namespace}-result-"), script: Some(script), folder: None }
}

#[test]
fn redis_does_what_the_model_says() {
    run::all(&Redis { url: tests::redis::url() }, SEQUENCES, AT_ONCE);
}

#[tokio::test]
async fn what_dramatiqs_rules_do_not_lead_to_and_what_should_be_gone_is_found() {
    let (stage, clock) = (Redis { url: tests::redis::url() }, Clock::manual(START));
    let scene = stage.open(clock.clone()).await;
    let namespace = scene.results.strip_suffix("-result-").unwrap().to_owned();
    let mut runner = Runner::new(scene, clock, &stage, false);
    let redis = |words: &str| {
        let mut command = redis::Cmd::new();
        for word in words.split(' ') {
            command.arg(word.replace(':', &format!("{namespace}:")));
        }
        command.query::<i64>(&mut tests::redis::connection()).unwrap()
    };
    let tick = Operation { kind: Kind::Tick, picks: [0; 3] };
    for (made, words, gone) in [
        ("HSET :a.msgs x body", "where dramatiq's rules do not lead", "DEL :a.msgs"),
        ("HSET :b.DQ.msgs x body", "where dramatiq's rules do not lead", "DEL :b.DQ.msgs"),
        ("SADD :__acks__.ghost.a x", "nobody would look at", "DEL :__acks__.ghost.a"),
    ] {
        assert_eq!(runner.step(tick).await, Ok(true));
        assert_eq!(runner.look().await, Ok(()));
        redis(made);
        let wrong = async { runner.step(tick).await.and(runner.look().await) }.await.unwrap_err().to_string();
        assert!(wrong.contains(words), "{made}: {wrong}");
        redis(gone);
    }
    redis("RPUSH :c.DQ x");
    let wrong = runner.drain_by_rust().await.unwrap_err().to_string();
    assert!(wrong.contains("should have gone with the last message"), "{wrong}");
    assert_eq!(runner.drain_by_python().await, Ok(()));
    // Python's worker has it, as far as the server knows.
    redis("HSET :a.msgs x body");
    redis("ZADD :__heartbeats__ 1795485700000 python");
    redis("SADD :__acks__.python.a x");
    let mut wrongs = Vec::new();
    for _ in 0..2 {
        wrongs.extend(runner.step(tick).await.err().map(|wrong| wrong.to_string()));
    }
    assert!(wrongs.iter().any(|wrong| wrong.contains("what lies in Redis")), "{wrongs:?}");
    runner.close().await;
}
