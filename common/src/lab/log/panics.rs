//! Panics in the log.
//!
//! The library catches an actor's panic and logs it as what it is, a failure. Rust's own report beside that would be the
//! same news again, across the columns; what it knows more, the place, becomes a line of the run. Panics outside of runs
//! are reported as usual, but in a log for programs they are a line as all the others.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;

/// Replaces Rust's report inside of runs, and everywhere in a log for programs.
pub(super) fn install(json: bool) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !super::inside_of_a_run() {
            return if json { super::json_error("common::panic", &panic.to_string()) } else { usual(panic) };
        }
        let Some(place) = panic.location() else { return };
        // Taken only when `RUST_BACKTRACE` asks for it.
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::debug!(target: "common::run", "panics at {place}\n{backtrace}");
        } else {
            tracing::debug!(target: "common::run", "panics at {place}");
        }
    }));
}
