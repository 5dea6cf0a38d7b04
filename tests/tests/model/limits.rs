//! Limits and barriers, on every store; on Redis, Python takes part.
//!
//! Nothing of them has to do with messages, so they have sequences of their own.

use crate::{memory::Memory, redis::Redis, run, sqlite::Sqlite};
use common::clock::Clock;
use tests::model::{
    operation::Kind,
    places::Move,
    sequence::{Scene, Stage},
    tolerances::Tolerances,
};

/// A store of which nothing but its limits is used.
struct Limits<S> {
    store: S,
    name: &'static str,
}

impl<S: Stage> Stage for Limits<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tolerances(&self) -> Tolerances {
        self.store.tolerances()
    }

    fn kinds(&self) -> Vec<Kind> {
        Kind::of_limits(self.store.kinds().contains(&Kind::PythonSend))
    }

    fn moves(&self) -> Vec<Move> {
        Vec::new()
    }

    async fn open(&self, clock: Clock) -> Scene {
        self.store.open(clock).await
    }
}

#[test]
fn limits_in_memory_do_what_the_model_says() {
    run::all(&Limits { store: Memory, name: "limits_in_memory" }, [4_000; 2], run::cores());
}

#[test]
fn limits_in_a_file_do_what_the_model_says() {
    run::all(&Limits { store: Sqlite, name: "limits_in_a_file" }, [150; 2], run::cores());
}

#[test]
fn limits_on_redis_do_what_the_model_says() {
    run::all(&Limits { store: Redis { url: tests::redis::url() }, name: "limits_on_redis" }, [200; 2], run::cores());
}
