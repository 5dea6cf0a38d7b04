//! Looks into any broker: those of the experiments, of programs of one's own, and of Python's dramatiq.
//!
//! ```text
//! cargo run -p tasks -- --broker redis://localhost:6379 queues
//! ```

use std::process::ExitCode;

use common::cli;

fn main() -> ExitCode {
    cli::app!().run()
}
