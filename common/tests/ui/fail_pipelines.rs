//! Steps that do not fit each other.
#![allow(unused_variables, unused_must_use, reason = "only what the compiler says is of interest")]

use common::actor;

#[actor]
fn count(text: String) -> usize {
    text.len()
}

#[actor]
fn half(n: u32) -> Result<f64, String> {
    Ok(f64::from(n) / 2.0)
}

#[actor]
fn nothing() {}

fn does_not_fit() {
    count::message("") | half::step();
    half::message(1) | count::step();
    nothing::message() | half::step();
}

fn takes_nothing() {
    count::message("") | nothing::step();
}

fn is_not_whole(broker: &common::Broker) {
    half::step().send(broker);
}

fn main() {}
