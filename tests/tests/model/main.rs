//! Every store does what the model says, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test ends where its hands slip")]

mod broken;
mod memory;
mod redis;
mod run;
mod sqlite;
