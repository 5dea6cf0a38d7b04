//! The store in memory.

use crate::run;
use common::{clock::Clock, store::Inspect, stores::memory::MemoryStore};
use std::sync::Arc;
use tests::model::{freedom::Freedom, places::Move, sequence::Stage};

/// How many sequences a normal run plays.
const SEQUENCES: u64 = 100_000;

struct Memory;

impl Stage for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn freedom(&self) -> Freedom {
        Freedom::MEMORY
    }

    fn moves(&self) -> Vec<Move> {
        // It always keeps up the order.
        Move::ALL.iter().copied().filter(|what| *what != Move::Unordered).collect()
    }

    async fn open(&self, clock: Clock) -> (Arc<dyn Inspect>, String) {
        (Arc::new(MemoryStore::new(clock)), "result-".to_owned())
    }
}

#[test]
fn memory_does_what_the_model_says() {
    run::all(&Memory, SEQUENCES, run::cores());
}
