//! Experiments as a person runs them: what is typed, what is printed where, and with which code it ends.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "../support/experiment.rs"]
mod experiment;

mod brokers;
mod json_log;
mod metrics;
mod processes;
mod secrets;
mod service;
mod signals;
mod stops;
mod surroundings;
mod typed;
mod unread;

use std::{net::TcpListener, time::Duration};
use tests::process::{self, Process};

pub(crate) const HELLO: &str = "e01_hello_world";
pub(crate) const ERRORS: &str = "e02_error_handling";

/// How long a worker may take to end when there is nothing that it can wait for: less would feel like a second Ctrl-C is needed. The
/// rest is for a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// Starts experiment 02 with a broker that isn't the tests'.
pub(crate) fn with_broker(args: &[&str], url: &str) -> Process {
    Process::start(&process::binary(ERRORS), &[args, &["--broker", url]].concat(), &[])
}

/// The URL of a place where nobody listens.
pub(crate) fn nowhere() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("redis://{}", free.unwrap())
}
