//! The Redis store against a live server: its keys and bytes, and the interleavings that broke earlier drafts.

mod interleavings;
mod places;
mod rig;
mod rights;
mod upkeep;
mod waiting;
