//! Actors that run elsewhere, and are declared as if they ran here; and the other way round.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;
use common::actor::actors;

struct Db;

#[actor(remote)]
fn sound(customer: u64, #[kwarg] due: String);

#[actor(remote)]
fn has_a_body(n: u32) -> u32 {
    n
}

#[actor]
fn has_none(n: u32) -> u32;

#[actor(remote)]
async fn is_async(n: u32);

#[actor(remote)]
fn takes_state(db: &Db, n: u32);

#[actor(remote)]
fn has_a_default(#[default = 3] n: u32);

#[actor(remote, throws = _, retry_when = |_, _| true, max_crashes = 3)]
fn decides_what_it_cannot() -> u32;

#[actor(remote)]
fn returns_a_result() -> Result<u32, String>;

#[actor(remote)]
fn returns_a_text() -> &'static str;

#[actor(remote)]
fn returns_what_cannot_be_read() -> Db;

#[actor(remote = true, queue = "9 lives")]
fn with_a_value(n: u32);

#[actor(throws = +, remote)]
fn after_a_mistake(n: u32);

#[actor(remote)]
fn takes_text(text: &str);

impl Db {
    #[actor(remote)]
    fn method(&self);
}

fn main() {
    sound(1, "now".to_owned());
    let function = sound;
    // The handles are there all the same.
    drop(has_a_body::message(3));
    drop(actors![sound, has_none, is_async, takes_state, with_a_value, after_a_mistake, takes_text]);
}
