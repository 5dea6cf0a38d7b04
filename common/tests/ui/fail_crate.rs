//! Paths of the library that lead nowhere, or are none.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

extern crate common as tasks;

use tasks::actor;

#[actor(crate = "no_such_crate")]
fn leads_nowhere(n: u32) {}

#[actor(crate = "not a path")]
fn no_path(n: u32) {}

#[actor(crate = 7)]
fn a_number(n: u32) {}

fn main() {}
