//! The command that runs messages.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

use super::WORKER;
use crate::cli::{App, environment, time};
use crate::worker::{MAX_PREFETCH, MAX_THREADS};

/// How many processes run messages.
pub(in crate::cli) const PROCESSES: &str = "processes";
/// How many slots a worker has.
pub(in crate::cli) const THREADS: &str = "threads";
/// How many messages wait in a worker.
pub(in crate::cli) const PREFETCH: &str = "prefetch";
/// Which queues a worker consumes.
pub(in crate::cli) const CONSUMED: &str = "queues";
/// How long a worker that stops waits for what runs.
pub(in crate::cli) const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";
/// How long a worker that starts waits for its broker.
pub(in crate::cli) const WAIT_FOR_BROKER: &str = "wait-for-broker";
/// After how many messages a worker is replaced.
pub(in crate::cli) const MAX_MESSAGES: &str = "max-messages";
/// From how much memory on a worker is replaced.
pub(in crate::cli) const MAX_MEMORY: &str = "max-memory";
/// The file with the id of the process.
pub(in crate::cli) const PID_FILE: &str = "pid-file";
/// The file that the log goes to.
pub(in crate::cli) const LOG_FILE: &str = "log-file";
/// Where numbers and health are served.
#[cfg(feature = "metrics")]
pub(in crate::cli) const METRICS: &str = "metrics";
/// The folder to watch.
pub(in crate::cli) const WATCH: &str = "watch";
/// Whether a watcher or a supervisor runs this worker.
pub(in crate::cli) const SUPERVISED: &str = "supervised";
/// Which of a supervisor's processes this is, from 1.
pub(in crate::cli) const PROCESS: &str = "process";

/// How many processes a supervisor starts at most.
const MAX_PROCESSES: i64 = 1_000;

/// How a worker ends, and what else there is to know.
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
  3  No broker answers
  4  The pid file belongs to a process that runs, or cannot be written

Environment:
  Every option can be a variable: --max-memory is WORKER_MAX_MEMORY, --broker is BROKER_URL,
  --log-format is LOG_FORMAT. What is typed counts more. dramatiq's dramatiq_queue_prefetch
  counts where nothing else names a prefetch; dramatiq_prom_host and dramatiq_prom_port
  where `--metrics` names no address.";

/// A bound, as clap takes it.
fn most(bound: usize) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}

pub(super) fn worker(app: &App) -> Command {
    let mut options = vec![
        option(PROCESSES, "N", value_parser!(u16).range(1..=MAX_PROCESSES))
            .default_value("1")
            .help("How many processes run messages; one that dies is replaced"),
        option(THREADS, "N", value_parser!(u16).range(1..=most(MAX_THREADS)))
            .default_value("8")
            .help("How many messages each runs at the same time"),
        option(PREFETCH, "N", value_parser!(u16).range(0..=most(MAX_PREFETCH)))
            .help("How many more wait in the worker; else few or none while runs are long"),
        option(CONSUMED, "NAMES", value_parser!(String))
            .value_delimiter(',')
            .action(ArgAction::Append)
            .help("Consumes only these of the actors' queues: high,default; else all of them"),
        option(SHUTDOWN_TIMEOUT, "TIME", time::duration)
            .default_value("10m")
            .help("How long Ctrl-C waits for running messages, before they are requeued"),
        option(WAIT_FOR_BROKER, "TIME", time::duration)
            .help("How long to try again at the start where no broker answers; else it ends at once"),
        option(MAX_MESSAGES, "N", value_parser!(u64).range(1..))
            .help("Lets a new process take over after so many runs"),
        option(MAX_MEMORY, "SIZE", size).help("Lets a new process take over once this one has so much: 500M, 2G"),
        option(PID_FILE, "FILE", value_parser!(PathBuf))
            .help("Writes its process id there, and removes that at the end"),
        option(LOG_FILE, "FILE", value_parser!(PathBuf))
            .help("Appends the log to this file, and begins a new one when that is moved away"),
        Arg::new(SUPERVISED).long(SUPERVISED).action(ArgAction::SetTrue).hide(true),
        Arg::new(PROCESS).long(PROCESS).value_parser(value_parser!(u16)).hide(true),
    ];
    if app.package.is_some() {
        options.push(
            option(WATCH, "DIR", value_parser!(PathBuf))
                .help("Rebuilds when a file in DIR changes, and hands over to the new worker"),
        );
    }
    #[cfg(feature = "metrics")]
    options.push(
        option(METRICS, "ADDRESS", address)
            .num_args(0..=1)
            .default_missing_value(environment::dramatiqs_address())
            .help("Serves numbers for Prometheus, and health, there: /metrics, /live, /ready; else on :9191"),
    );
    Command::new(WORKER)
        .about("Runs messages until Ctrl-C")
        .after_help(ENDS)
        .args(options.into_iter().map(environment::variable))
}

fn option(name: &'static str, value: &'static str, parser: impl Into<ValueParser>) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(parser)
}

/// Reads where to listen: `127.0.0.1:9191`, or `:9191` for any address of this machine.
#[cfg(feature = "metrics")]
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    let text = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    text.parse()
        .map_err(|_| "an address is `127.0.0.1:9191`, `[::1]:9191`, or `:9191` for all of this machine".to_owned())
}

/// Reads how much memory something is, in bytes.
fn size(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) => (number, 1 << (10 * (1 + "KMG".find(&text[number.len()..]).unwrap_or_default()))),
        None => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a size is a number of bytes, or of K, M or G: `500M`, `2G`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("500M"), Ok(500 * 1024 * 1024));
        assert_eq!(size("2G"), Ok(2 * 1024 * 1024 * 1024));
        assert_eq!(size("64K"), Ok(64 * 1024));
        assert_eq!(size("123"), Ok(123));
        for wrong in ["", "M", "0", "0G", "-1", "1.5G", "5MB", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
