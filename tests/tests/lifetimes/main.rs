//! Where a broker and a worker are made, used and dropped: the tables of lifetimes in their docs, on every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod broker;
mod forked;
mod from_none;
mod site;
mod worker;
