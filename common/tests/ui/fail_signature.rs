//! Functions that cannot be actors.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;
use common::actor::{Context, actors};

struct Db;

#[actor]
fn exclusive(db: &mut Db, n: u32) {}

#[actor]
fn borrows_text(text: &str, bytes: &[u8]) {}

#[actor]
fn borrows_inside(text: Option<&str>) {}

#[actor]
fn lends_for_ever(db: &'static Db) {}

#[actor]
fn lends_a_trait(writer: &dyn std::io::Write) {}

#[actor]
fn generic<T>(value: T) {}

#[actor]
fn generic_in_disguise(value: impl Send, context: &Context) {}

#[actor]
fn generic_over_a_lifetime<'a>(db: &'a Db) {}

#[actor]
fn demands(n: u8) where u8: Copy {}

#[actor]
async fn several_at_once(db: &mut Db, any: &impl Sync, (a, b): (u8, u8), #[cfg(test)] n: u8) {}

#[actor]
fn takes_apart((a, b): (u8, u8), _: u8) {}

#[actor]
const fn constant() {}

#[actor]
unsafe fn dangerous() {}

#[actor]
extern "C" fn foreign() {}

#[actor(retries = 1)]
fn wrong_in_both(text: &str) {}

impl Db {
    #[actor]
    fn method(&self, n: u32) {}

    #[actor]
    fn associated(db: &Self) {}
}

#[actor]
struct NoFunction;

fn main() {
    // The handles are there all the same.
    drop(exclusive::message(3));
    drop(borrows_text::message("a", [1]));
    drop(generic::message(1));
    drop(actors![exclusive, borrows_text, borrows_inside, generic, takes_apart, several_at_once]);
}
