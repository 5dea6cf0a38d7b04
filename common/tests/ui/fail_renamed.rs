//! What is said of types when the library has another name.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

extern crate common as tasks;

use tasks::actor;

struct Db;

#[actor(crate = "tasks")]
fn takes_by_value(n: u32, db: Db) {}

#[actor(crate = "tasks")]
fn returns_it() -> Result<Db, Db> {
    Ok(Db)
}

fn main() {}
