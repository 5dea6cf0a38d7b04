//! The store in a SQLite file under everything that can happen to a file and to the processes that share it.
//!
//! Real files, real processes, real kills, a real full disk. Two themes need root: the full disk is a small tmpfs that is mounted
//! for the test, and what a user may not do is tried as another user.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod admin;
mod batches;
mod bell;
mod crowd;
mod damaged;
mod deregistering;
mod disk;
mod full;
mod killed;
mod links;
mod locked;
mod moved;
mod power;
mod rig;
mod rights;
mod versions;
mod words;
