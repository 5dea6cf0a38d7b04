//! Types that cannot do what an actor needs of them.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;

struct Db;

#[derive(serde::Serialize)]
struct Half;

#[actor]
fn takes_by_value(n: u32, db: Db) {}

#[actor]
fn takes_half(half: Half) {}

#[actor]
fn lends_to_one_thread(cell: &std::cell::Cell<u8>) {}

#[actor]
fn returns_what_cannot_be_stored() -> Db {
    Db
}

#[actor]
fn returns_it_in_a_result() -> Result<Db, String> {
    Ok(Db)
}

#[actor]
fn returns_an_error_without_text() -> Result<(), Db> {
    Ok(())
}

fn main() {}
