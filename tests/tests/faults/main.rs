//! What happens to messages, and what an operator reads, when the store or what lies in it is broken.
//!
//! Real workers in this process, on a real Redis: each fault comes while they work, and when it is over they go on by
//! themselves, with nothing lost.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bulk;
mod foreign;
mod full;
mod ghosts;
mod input;
mod late;
mod listener;
mod outages;
mod rig;
mod rights;
mod sends;
mod slow;
mod work;
