//! Names of the user's that the attribute's own might be mistaken for.
#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types, reason = "only whether it compiles is of interest")]

use ::common::actor;
use ::std::string::String;

mod core {}
mod std {}

struct Result;
struct Option;
struct Outcome;
struct Raw;
struct Box;
trait AnyResult {}

#[actor]
fn run(context: &::common::actor::Context, arguments: u8, broker: u8, error: u8) -> u8 {
    _ = context;
    arguments + broker + error
}

#[actor]
async fn send(message: String) -> ::std::result::Result<u8, ::std::fmt::Error> {
    _ = message;
    ::std::result::Result::Err(::std::fmt::Error)
}

#[actor]
fn kind(kind: u8) -> u8 {
    kind
}

#[actor]
fn context(context: &::common::actor::Context) -> u32 {
    context.attempt()
}

#[actor]
async fn returned(decode: u8) -> u8 {
    decode
}

#[actor]
fn decode(returned: u8) -> u8 {
    returned
}

fn main() {
    #[actor]
    fn inside_of_a_function(n: u8) -> u8 {
        n
    }
    let _ = (run::message(1, 2, 3), send::message("x"), kind::message(1), inside_of_a_function::message(1));
}
