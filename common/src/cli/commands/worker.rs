//! The command that runs messages.

use clap::{Arg, ArgAction, Command, value_parser};

use super::WORKER;
use crate::cli::{App, time};
use crate::worker::{MAX_PREFETCH, MAX_THREADS};

/// How many slots a worker has.
pub(in crate::cli) const THREADS: &str = "threads";
/// How many messages wait in a worker.
pub(in crate::cli) const PREFETCH: &str = "prefetch";
/// Which queues a worker consumes.
pub(in crate::cli) const CONSUMED: &str = "queues";
/// How long a worker that stops waits for what runs.
pub(in crate::cli) const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";
/// The folder to watch.
pub(in crate::cli) const WATCH: &str = "watch";
/// Whether a watcher runs this worker.
pub(in crate::cli) const SUPERVISED: &str = "supervised";

/// How a worker ends.
const ENDS: &str = "\
Signals:
  Ctrl-C, SIGTERM  No longer fetches, and ends when what runs has ended; a second one requeues
                   what still runs, a third one waits for nothing
  SIGHUP           The terminal was closed: as the first one, however often it comes
  Under `nohup`, or with `&` in a script, SIGHUP and SIGINT stay ignored; SIGTERM never is.

Exit codes:
  0  Told to stop, and stopped; also before it was ready
  1  Running messages were requeued, or the broker did not answer at the end
  2  What was typed, or is in the environment, makes no sense
  3  No broker answers";

/// A bound, as clap takes it.
fn most(bound: usize) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

pub(super) fn worker(app: &App) -> Command {
    let worker = Command::new(WORKER).about("Runs messages until Ctrl-C").after_help(ENDS).args([
        Arg::new(THREADS)
            .long(THREADS)
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=most(MAX_THREADS)))
            .default_value("8")
            .help("How many messages run at the same time"),
        Arg::new(PREFETCH)
            .long(PREFETCH)
            .value_name("N")
            .value_parser(value_parser!(u16).range(0..=most(MAX_PREFETCH)))
            .help("How many more wait in the worker; else few or none while runs are long"),
        Arg::new(CONSUMED)
            .long(CONSUMED)
            .value_name("NAMES")
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help("Consumes only these of the actors' queues: high,default; else all of them"),
        Arg::new(SHUTDOWN_TIMEOUT)
            .long(SHUTDOWN_TIMEOUT)
            .value_name("TIME")
            .value_parser(time::duration)
            .default_value("10m")
            .help("How long Ctrl-C waits for running messages, before they are requeued"),
        Arg::new(SUPERVISED).long(SUPERVISED).action(ArgAction::SetTrue).hide(true),
    ]);
    if app.package.is_none() {
        return worker;
    }
    worker.arg(
        Arg::new(WATCH)
            .long(WATCH)
            .value_name("DIR")
            .value_parser(value_parser!(std::path::PathBuf))
            .help("Rebuilds when a file in DIR changes, and hands over to the new worker"),
    )
}
