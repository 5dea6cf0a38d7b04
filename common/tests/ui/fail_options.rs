//! Options that are none, or none of this kind.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;
use common::actor::actors;

#[actor(retries = 3)]
fn unknown(n: u32) {}

#[actor(on_failure = |a, b| c, queue = "mail")]
fn unknown_and_far_from_all() {}

#[actor(queue = "mail", queue = "post")]
fn twice() {}

#[actor(queue = "9 lives")]
fn bad_queue() {}

#[actor(queue = "__heartbeats__")]
fn taken_queue() {}

#[actor(queue = "mail.msgs", max_retries = "many")]
fn taken_queue_and_many_retries() {}

#[actor(name = "")]
fn no_name() {}

#[actor(min_backoff = 15, max_backoff = "1 week")]
fn bad_times() {}

#[actor(min_backoff = "1h", max_backoff = "1m")]
fn times_the_wrong_way_round() {}

#[actor(max_retries = -1, priority = 5000)]
fn bad_numbers() {}

#[actor(queue)]
fn no_value() {}

#[actor("mail")]
fn no_key() {}

#[actor(name = "a" queue = "b")]
fn no_comma() {}

#[actor(throws = String)]
fn nothing_to_throw() {}

#[actor(retry_when = |retries, error| true)]
fn nothing_to_retry() {}

#[actor(name = unquoted, queue = 7, min_backoff = "99999999999999999999d")]
fn bad_texts() {}

#[actor(throws = +, retry_when = |, on_retry_exhausted = "tell_admin")]
fn bad_code() -> Result<(), String> {
    Ok(())
}

#[actor(max_retry = 3, queue_name = "mail")]
fn nearly_known() {}

#[actor(store_results = 3)]
fn stores_three() {}

#[actor(on_success = "tell_admin")]
fn tells_a_text() {}

#[actor(max_crashes = 0)]
fn dies_before_it_runs() {}

#[actor(max_crashes = "three")]
fn dies_of_a_text() {}

#[actor(options(weight = 3, max_retries = 5))]
fn one_that_is_known() {}

#[actor(options(weight = 3, weight = 4))]
fn the_same_twice() {}

#[actor(options = 3)]
fn without_parentheses() {}

#[actor(options(weight))]
fn without_a_value() {}

#[actor(options(3))]
fn without_a_name() {}

#[actor(options(weight = [1, heavy], queue = "mail"))]
fn a_name_for_a_value() {}

#[actor(options(weight = -true))]
fn less_than_true() {}

#[actor(options(weight = 99999999999999999999))]
fn too_heavy() {}

fn main() {
    // The handles are there all the same.
    drop(unknown::message(3));
    drop(actors![unknown, twice, bad_queue, bad_times, bad_numbers, no_value, no_key, no_comma]);
}
