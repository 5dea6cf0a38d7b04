//! A body that is only half typed is the compiler's business: the handle is there.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;

#[actor]
fn half(text: String) -> usize {
    text.le
}

fn main() {
    drop(half::message("x"));
}
