//! Every store does what the model says, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test ends where its hands slip")]
#![expect(clippy::print_stdout, reason = "what the sequences reached is told")]

mod broken;
mod memory;
mod redis;
mod run;
mod sqlite;
