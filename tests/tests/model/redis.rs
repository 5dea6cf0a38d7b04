//! The store on Redis.

use crate::run;
use common::clock::Clock;
use std::sync::Arc;
use tests::model::{
    operation::Kind,
    places::Move,
    python::Script,
    sequence::{Scene, Stage},
    tolerances::Tolerances,
};

/// How many sequences a normal run plays.
const SEQUENCES: u64 = 1_200;

/// How many of them at once: most of the time of each is waiting.
const AT_ONCE: usize = 6;

struct Redis {
    url: String,
}

impl Stage for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances::REDIS
    }

    fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.to_vec()
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
