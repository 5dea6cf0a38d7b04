//! Defaults and keyword arguments that are none, or of a parameter that cannot be one.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;
use common::actor::actors;

struct Db;

#[derive(serde::Serialize, serde::Deserialize)]
struct Point;

#[actor]
fn not_at_the_end(#[default = 1] first: u32, second: u32, third: Option<u32>) {}

#[actor]
fn of_state(#[default] db: &Db, n: u32) {}

#[actor]
fn twice(#[default] #[default = 3] n: u32) {}

#[actor]
fn as_a_list(#[default(3)] n: u32) {}

#[actor]
fn of_another_type(#[default = 1.5] n: u32) {}

#[actor]
fn a_text_for_a_number(#[default = "three"] n: u32) {}

#[actor]
fn has_none(#[default] point: Point) {}

#[actor]
fn by_name_before_by_position(#[kwarg] first: u32, second: u32) {}

#[actor]
fn state_by_name(#[kwarg] db: &Db) {}

#[actor]
fn another_name(#[kwarg = "other"] n: u32, #[kwarg] #[kwarg] m: u32) {}

fn main() {
    // The handles are there all the same.
    drop(as_a_list::message(3));
    drop(actors![not_at_the_end, of_state, twice, by_name_before_by_position, state_by_name, another_name]);
}
