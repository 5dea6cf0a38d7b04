//! A command line for a program with actors: it runs workers, sends, and looks inside.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use common::{actor, actors, cli};
//!
//! /// Sends a mail.
//! #[actor(max_retries = 5)]
//! fn send_mail(to: String) {
//!     println!("dear {to}");
//! }
//!
//! fn main() -> ExitCode {
//!     cli::app!().actors(actors![send_mail]).run()
//! }
//! ```
//!
//! Then `mailer worker` runs messages, `mailer send_mail ada` sends one, and `mailer queues` shows what is where. `--help` explains
//! the rest. An [`App`] without actors only looks inside: of any broker, and of Python's.
//!
//! ```text
//! App::run                commands.rs   what was typed, with clap
//!   ├ worker              runner.rs     runs messages until a signal (signals.rs); watch.rs and supervise.rs run it as a child
//!   ├ an actor            sender.rs     sends one message, prints its id
//!   ├ commands of its own own.rs        a function of the program's that sends, and waits for what comes of it
//!   ├ queues, show…       inspect.rs    looks inside, and moves by hand
//!   ├ demo                demo.rs       both in one process, on a store in memory: an experiment's
//!   └ notes                             README.rst, as it is: an experiment's
//! ```
//!
//! Logs go to stderr (log.rs), ids and answers to stdout (output.rs). Which broker is meant is decided in `broker_choice.rs`, and
//! said in the first line of the log. The rest of the library neither knows this module nor reads the environment.

mod app;
mod broker_choice;
mod child;
mod commands;
mod demo;
mod environment;
mod inspect;
mod log;
#[cfg(not(feature = "metrics"))]
mod no_telemetry;
mod output;
mod own;
mod pid_file;
mod recycling;
mod runner;
mod sender;
mod signals;
mod supervise;
#[cfg(feature = "metrics")]
mod telemetry;
mod time;
mod watch;

use std::env;
use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::ArgMatches;
use tokio::runtime::Runtime;

pub(crate) use self::app::Lesson;
pub use self::app::{App, OwnCommand, Package, Running, Step, next};
use self::log::LogOptions;
#[cfg(not(feature = "metrics"))]
use self::no_telemetry as telemetry;
use self::pid_file::PidFile;
use self::signals::Signals;
use crate::error::WorkerError;

/// An [`App`] with the name, version, description and sources of the crate that this is used in.
#[doc(inline)]
pub use crate::__cli_app as app;
/// Commands of a program's own, for [`App::commands`]: async functions that take the broker and what is typed.
///
/// ```
/// use common::cli::{self, App};
/// use common::{Broker, actor};
///
/// # #[actor]
/// # fn halve(n: u32) -> u32 { n / 2 }
/// async fn ask(broker: Broker, n: u32) -> Result<(), common::error::EnqueueError> {
///     halve::send(&broker, n).await?;
///     Ok(())
/// }
///
/// let app = App::new("e06").commands(cli::commands![ask(n: u32) = "Sends `halve`"]);
/// ```
///
/// They run in the process that they are typed in, as a sender does, and so does what they log.
#[doc(inline)]
pub use crate::__cli_commands as commands;

/// Its name is [`app!`](crate::cli::app).
#[doc(hidden)]
#[macro_export]
macro_rules! __cli_app {
    () => {
        $crate::cli::App::new(::core::env!("CARGO_PKG_NAME"))
            .about(::core::env!("CARGO_PKG_DESCRIPTION"))
            .version(::core::env!("CARGO_PKG_VERSION"))
            .package($crate::cli::Package {
                name: ::core::env!("CARGO_PKG_NAME"),
                folder: ::core::env!("CARGO_MANIFEST_DIR"),
                release: !::core::cfg!(debug_assertions),
            })
    };
}

/// Its name is [`commands!`](crate::cli::commands).
#[doc(hidden)]
#[macro_export]
macro_rules! __cli_commands {
    ($($own:ident($($parameter:ident: $type:ty),* $(,)?) = $about:literal),* $(,)?) => {
        const {
            &[$($crate::cli::OwnCommand {
                name: ::core::stringify!($own),
                about: $about,
                parameters: &[$($crate::actor::Parameter::of::<$type>(
                    ::core::stringify!($parameter),
                    ::core::stringify!($type),
                )),*],
                run: |broker, mut arguments| ::std::boxed::Box::pin(async move {
                    let _ = &mut arguments;
                    let ended = $own(broker, $($crate::cli::next::<$type>(&mut arguments)?),*).await;
                    ended.map_err(|error| ::std::string::ToString::to_string(&error))
                }),
            }),*]
        }
    };
}

/// Runs a program with the command line of this process.
fn run(app: &App) -> ExitCode {
    // Before anything else: a worker that is told to end while it starts ends as it always does. Other commands end by the
    // signal, as a shell expects.
    let is_worker = commands::is_worker(env::args_os().skip(1));
    let early = is_worker.then(take_signals);
    let ended = commands::check(app).and_then(|()| {
        let program = commands::program(app);
        commands::check_environment(&program, is_worker)?;
        let matches = match program.try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return Ok(commands::report(&error)),
        };
        dispatch(app, &matches, early)
    });
    let code = ended.unwrap_or_else(|failure| {
        output::error(&failure.to_string());
        failure.code()
    });
    output::flush();
    code
}

fn dispatch(
    app: &App,
    matches: &ArgMatches,
    early: Option<io::Result<(Runtime, Signals)>>,
) -> Result<ExitCode, Failure> {
    let (command, given) = matches.subcommand().expect("clap demands a command");
    let lesson = app.lesson.as_ref();
    if let (commands::NOTES, Some(lesson)) = (command, lesson) {
        output::print(lesson.notes);
        return Ok(ExitCode::SUCCESS);
    }
    let demo = lesson.filter(|_| command == commands::DEMO);
    let is_json = commands::wants_json_log(given);
    // The demonstration reads its own log.
    let options = LogOptions { listens: demo.is_some(), ..commands::log_options(given)? };
    let lines = log::install(app, options)?;
    let broken = |error| Failure::Broken(format!("no runtime, or no signals: {error}"));
    let (runtime, signals) = match early {
        Some(early) => early.map(|(runtime, signals)| (runtime, Some(signals))).map_err(broken)?,
        None => (new_runtime().map_err(broken)?, None),
    };
    let own = app.own(command);
    let ended = runtime.block_on(async {
        if let Some(lesson) = demo {
            return demo::demonstrate(app, lesson, lines).await;
        }
        match (command, signals) {
            (commands::WORKER, Some(signals)) => worker(app, given, signals).await,
            (command, _) if commands::inspect::ALL.contains(&command) => inspect::run(app, command, given).await,
            (actor, _) => match own {
                Some(own) => own::run(app, own, given).await,
                None => sender::send(app, actor, given).await,
            },
        }
    });
    // An actor that never ends must not hold up the exit.
    runtime.shutdown_background();
    ended.or_else(|failure| {
        if !is_json {
            return Err(failure);
        }
        // Whoever reads the log as JSON reads how it ends as JSON, too.
        log::json_error("common::cli", &failure.to_string());
        Ok(failure.code())
    })
}

/// Runs messages: in this process, or in others that it starts.
async fn worker(app: &App, given: &ArgMatches, signals: Signals) -> Result<ExitCode, Failure> {
    // The file is of whoever started it all.
    let path = commands::pid_file(given);
    let _pid_file = path.map(|path| PidFile::write(path)).transpose()?;
    match (commands::watched(app, given), commands::processes(given)) {
        (Some(watched), _) => watch::watch(given, watched, signals).await,
        (None, 1) => runner::work(app, given, signals).await,
        (None, processes) => supervise::supervise(app, given, processes, signals).await,
    }
}

/// A runtime, and the signals that come from now on.
fn take_signals() -> io::Result<(Runtime, Signals)> {
    let runtime = new_runtime()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::take()?
    };
    Ok((runtime, signals))
}

fn new_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Why a program ends with an error.
#[derive(Debug)]
enum Failure {
    /// What was typed, or written in the program, makes no sense.
    Usage(String),
    /// No broker answers.
    Unreachable(String),
    /// Another process has the pid file, or it cannot be written.
    PidFile(String),
    /// Everything else.
    Broken(String),
}

impl Failure {
    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Broken(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::PidFile(_) => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Unreachable(text) | Self::PidFile(text) | Self::Broken(text)) = self;
        f.write_str(text)
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Store(cause) => Self::Unreachable(cause.to_string()),
            program => Self::Usage(program.to_string()),
        }
    }
}
