//! The worker on the memory store, under a manual clock.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cancelled;
mod endings;
mod hooks;
mod kit;
mod middleware;
mod observers;
mod queues;
mod runs;
mod started;
mod state;
mod stops;
mod told;
