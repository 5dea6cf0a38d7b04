//! Every store does what the model says, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "what the sequences reached is told")]

mod broken;
mod limits;
mod memory;
mod redis;
mod run;
mod sqlite;
