//! Stores whose results, or groups, lie in other ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod faulty;
mod looks;
mod settings;
mod steps;
mod workers;
