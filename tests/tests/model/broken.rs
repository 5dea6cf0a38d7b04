//! Stores, or their workers, that are broken on purpose, each by one weakness that dramatiq has, or this project had, and that the
//! model has to find.

mod store;
mod weakness;

use self::store::Broken;
use self::weakness::Weakness;
use crate::{memory, redis};
use common::clock::Clock;
use std::sync::Arc;
use tests::{
    model::{
        coverage::Coverage,
        operation::Kind,
        sequence::{self, Failure, Scene, Stage},
        tolerances::Tolerances,
    },
    workspace,
};

/// Within so many sequences each weakness has to be found.
const SEQUENCES: u64 = 1_000;

struct Variant(Option<Weakness>);

impl Variant {
    /// Whether the weakness shows only on Redis.
    fn is_on_redis(&self) -> bool {
        self.0 == Some(Weakness::ForgottenBatch)
    }
}

impl Stage for Variant {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn tolerances(&self) -> Tolerances {
        if self.is_on_redis() { Tolerances::REDIS } else { Tolerances::MEMORY }
    }

    fn kinds(&self) -> Vec<Kind> {
        if self.is_on_redis() { Kind::of_messages() } else { Kind::without_python() }
    }

    fn late_ends_count(&self) -> bool {
        self.0 == Some(Weakness::LateEnd)
    }

    async fn open(&self, clock: Clock) -> Scene {
        let scene = if self.is_on_redis() {
            redis::scene(&tests::redis::url(), clock.clone()).await
        } else {
            memory::scene(clock.clone())
        };
        Scene { store: Arc::new(Broken::new(scene.store, clock, self.0)), ..scene }
    }
}

/// Plays until something is found.
async fn first_failure(weakness: Option<Weakness>) -> Option<Failure> {
    let mut coverage = Coverage::default();
    let seeds = workspace::seed().map_or(0..SEQUENCES, |seed| seed..seed + 1);
    for seed in seeds {
        if let Err(failure) = sequence::play(&Variant(weakness), seed, &mut coverage).await {
            println!("{weakness:?} is found by sequence {seed}:\n{failure}");
            return Some(failure);
        }
    }
    None
}

/// The weakness is found, and what is said of it says these words.
async fn is_caught(weakness: Weakness, words: &[&str]) {
    let failure = first_failure(Some(weakness)).await;
    let failure = failure.unwrap_or_else(|| match workspace::seed() {
        Some(seed) => panic!("{weakness:?} is not found by sequence {seed}"),
        None => panic!("{weakness:?} is not found by {SEQUENCES} sequences"),
    });
    let wrong = failure.wrong.to_string();
    assert!(words.iter().all(|word| wrong.contains(word)), "{wrong}");
}

#[tokio::test]
async fn the_wrapper_itself_breaks_nothing() {
    let failure = first_failure(None).await;
    assert!(failure.is_none(), "{failure:?}");
}

#[tokio::test]
async fn a_retry_whose_enqueueing_fails_and_that_is_acknowledged_all_the_same_is_caught() {
    is_caught(Weakness::LostRetry, &["what lies in", "delayed"]).await;
}

#[tokio::test]
async fn a_retry_that_is_a_copy_and_then_an_acknowledgement_is_caught() {
    is_caught(Weakness::CopiedRetry, &["as a whole, or not at all", "delayed"]).await;
}

#[tokio::test]
async fn a_promotion_that_is_a_copy_and_then_an_acknowledgement_is_caught() {
    is_caught(Weakness::CopiedPromotion, &["as a whole, or not at all", "ready"]).await;
}

#[tokio::test]
async fn a_batch_that_is_forgotten_because_of_one_unreadable_message_is_caught() {
    is_caught(Weakness::ForgottenBatch, &["what lies in", "claimed: 1"]).await;
}

#[tokio::test]
async fn delayed_messages_that_wait_for_each_other_are_caught() {
    is_caught(Weakness::DelaysInLine, &["due"]).await;
}

#[tokio::test]
async fn a_run_whose_claim_was_lost_and_that_ends_the_next_one_is_caught() {
    is_caught(Weakness::LateEnd, &["the late end of run", "has ended a later run"]).await;
}

#[tokio::test]
async fn what_is_requeued_in_several_calls_is_caught() {
    // By a fetch or by a look, whichever comes first: both show the message.
    is_caught(Weakness::HeadsInChunks, &["crashes: 0"]).await;
}
