//! The Redis store against a live server: its keys and bytes, and the interleavings that broke earlier drafts.

#![expect(clippy::unwrap_used, reason = "a test ends where its hands slip")]

mod admin;
mod batches;
mod cancelling;
mod clocks;
mod completions;
mod crowds;
mod fleet;
mod handover;
mod inspect;
mod interleavings;
mod looks;
mod many;
mod places;
mod python;
mod rig;
mod rights;
mod upkeep;
mod waiting;
