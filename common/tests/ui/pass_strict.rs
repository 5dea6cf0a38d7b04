//! A binary under strict lints, in which nobody calls `send`, `message` or even the function itself.
#![deny(warnings)]
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes,
    single_use_lifetimes,
    elided_lifetimes_in_paths,
    let_underscore_drop
)]
#![forbid(unsafe_code)]

use common::actor;
use common::actor::{Context, actors};

/// Something that is state.
#[derive(Debug)]
pub struct Db;

#[actor]
fn count_to(n: u32) {
    _ = n;
}

/// Public, and documented.
#[actor]
pub async fn look_up(db: &Db, context: &Context, mut keys: Vec<String>, _unused: Option<u8>) -> Result<usize, String> {
    _ = (db, context);
    keys.sort();
    Ok(keys.len())
}

#[actor(throws = _)]
#[allow(non_snake_case, reason = "its author wants it so")]
async fn Shout(Words: String) -> Result<(), std::num::ParseIntError> {
    Words.parse::<u32>().map(drop)
}

/// Leaves out what is usual.
#[actor]
fn remind(
    _customer: u64,
    #[default = "EUR"] _currency: String,
    #[default = 7] _days: u32,
    #[default] _tags: Vec<String>,
) {
}

/// Runs elsewhere; public, and documented.
#[actor(remote, queue = "python")]
pub fn invoice(customer: u64, due: Vec<String>, #[kwarg] paid: bool) -> Option<u64>;

#[actor(remote)]
fn never_sent(customer: u64);

#[actor]
fn never_listed() {}

fn main() {
    assert_eq!(actors![count_to, look_up, Shout].len(), 3);
}
