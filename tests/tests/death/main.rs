//! What becomes of messages when a worker dies, or seems to: real processes, real kills.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod both_languages;
mod clocks;
mod crowd;
mod far;
mod killed;
mod last;
mod paused;
mod poison;

#[path = "../support/experiment.rs"]
#[allow(dead_code, reason = "other targets use more of it")]
mod experiment;
#[path = "../support/scene.rs"]
#[allow(dead_code, reason = "other targets use more of it")]
mod scene;
