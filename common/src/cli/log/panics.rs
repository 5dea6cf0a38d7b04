//! Panics in the log.
//!
//! The library catches an actor's panic and logs it as what it is, a failure. Rust's own report beside that would be the
//! same news again, across the columns; what it knows more, the place, becomes a line of the run. Panics outside of runs
//! are reported in Rust's words, but in a log for programs they are a line as all the others.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

use super::super::output;

/// Replaces Rust's own report, which would be written past the log, and wait for its reader.
pub(super) fn install(json: bool) {
    panic::set_hook(Box::new(move |panic| {
        if !super::inside_of_a_run() {
            if json {
                super::json_error("common::panic", &panic.to_string());
            } else {
                output::log(&output::harmless(&report(panic)));
            }
            // It may be the last thing that this process does.
            return output::flush();
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

/// Rust's own words.
fn report(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let backtrace = Backtrace::capture();
    let more = if backtrace.status() == BacktraceStatus::Captured {
        format!("stack backtrace:\n{backtrace}")
    } else {
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace".to_owned()
    };
    format!("\nthread '{}' {panic}\n{}\n", thread.name().unwrap_or("<unnamed>"), more.trim_end())
}
