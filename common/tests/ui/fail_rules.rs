//! Options whose types do not fit the function.
#![allow(unused_variables, dead_code, reason = "only what the compiler says is of interest")]

use common::actor;

enum MailError {
    Bounced,
}

fn wrong_rule(retries: u32) -> bool {
    retries > 1
}

fn no_actor() {}

#[actor(throws = MailError::Bounced)]
fn throws_another_type() -> Result<(), String> {
    Ok(())
}

#[actor(throws = MailError::Lost)]
fn throws_what_is_not_there() -> Result<(), std::fmt::Error> {
    Ok(())
}

#[actor(throws = MailError::Bounced)]
fn throws_nothing() -> u8 {
    1
}

#[actor(retry_when = wrong_rule)]
fn another_rule() -> Result<(), String> {
    Ok(())
}

#[actor(retry_when = |retries, error| error.no_such_method())]
fn another_closure() -> Result<(), String> {
    Ok(())
}

#[actor(on_retry_exhausted = no_actor)]
fn tells_nobody() {}

struct NoActor;

#[actor(on_retry_exhausted = NoActor)]
fn tells_a_struct() {}

#[actor]
async fn stays_on_its_thread() {
    let local = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(local);
}

#[actor]
fn sends(text: String, n: u32) {}

fn main() {
    drop(sends::message("x", "y"));
    drop(sends::message("x"));
}
