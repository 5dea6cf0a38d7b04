//! Ends and outages: workers that are told to stop, and a Redis that goes away, stays silent, or is killed again and again.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod outages;
mod restarts;
mod stops;

#[path = "../support/experiment.rs"]
#[allow(dead_code, reason = "other targets use more of it")]
mod experiment;
#[path = "../support/scene.rs"]
#[allow(dead_code, reason = "other targets use more of it")]
mod scene;
