//! The store in memory.

use crate::run;
use common::{clock::Clock, stores::memory::MemoryStore};
use std::sync::Arc;
use tests::model::{
    sequence::{Scene, Stage},
    tolerances::Tolerances,
};

/// How many sequences a normal run plays, and a whole one.
const SEQUENCES: [u64; 2] = [5_000, 20_000];

pub(crate) struct Memory;

impl Stage for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances::MEMORY
    }

    async fn open(&self, clock: Clock) -> Scene {
        scene(clock)
    }
}

pub(crate) fn scene(clock: Clock) -> Scene {
    Scene { store: Arc::new(MemoryStore::new(clock)), results: "result-".to_owned(), script: None, folder: None }
}

#[test]
fn memory_does_what_the_model_says() {
    run::all(&Memory, SEQUENCES, run::cores());
}
