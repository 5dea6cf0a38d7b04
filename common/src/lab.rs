//! The face that all experiments share: command line, log, notes, demonstration, and the watcher.
//!
//! ```text
//! main!(actors![…], demo: […])
//!   └ run               commands.rs   what was typed, with clap
//!       ├ worker        runner.rs     runs messages until a signal (signals.rs); watch.rs runs it as a child
//!       ├ an actor      sender.rs     sends one message, prints its id
//!       ├ its own       own.rs        a function of the experiment's that sends, and waits for what comes of it
//!       ├ queues, show… inspect.rs    looks inside, and moves by hand
//!       ├ demo          demo.rs       both in one process, on a store in memory
//!       └ notes                       README.rst, as it is
//! ```
//!
//! Logs go to stderr (log.rs), ids and notes to stdout (output.rs). Which broker is meant is decided in `broker_choice.rs`, and
//! said in the first line of the log. The rest of the library neither knows this module nor reads the environment.

mod broker_choice;
mod commands;
mod demo;
mod environment;
mod inspect;
mod log;
mod output;
mod own;
mod runner;
mod sender;
mod signals;
mod time;
mod watch;

use std::env;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::vec::IntoIter;

use clap::ArgMatches;
use tokio::runtime::Runtime;

use self::signals::Signals;
use crate::actor::{Declaration, Parameter};
use crate::broker::{Broker, BrokerBuilder};
use crate::error::{ConnectError, WorkerError};
use crate::message::Raw;
use crate::results::Readable;
use crate::worker::Worker;

/// Makes an experiment's `main` out of its actors, and the script of its demonstration.
///
/// ```text
/// common::lab::main!(
///     actors![count_to],
///     demo: ["count_to 3", "count_to 2 --delay 1s" after "done in"]
/// );
/// ```
///
/// The script is a list of command lines, as they would be typed. One that ends with `after "text"` is run when a log
/// line with this text has been seen since the command before it.
///
/// An experiment whose actors take state, or whose broker has middleware, says so before its demonstration:
///
/// ```text
/// common::lab::main!(
///     actors![visit],
///     setup: Setup { worker: |worker| worker.state(Counter::default()), broker: |broker| broker.with(Tenants) },
///     demo: ["visit ada"]
/// );
/// ```
///
/// One that shows more than single messages has commands of its own: async functions that take the broker and what is typed. They run in
/// the process that they are typed in, as a sender does, and so does what they log.
///
/// ```text
/// async fn ask(broker: Broker, n: u32) -> Result<(), ResultError> { … }
///
/// common::lab::main!(
///     actors![halve],
///     commands: [ask(n: u32) = "Sends `halve`, and waits for its result"],
///     demo: ["ask 8"]
/// );
/// ```
///
/// Name, folder, description and `README.rst` are those of the crate that the macro is used in.
#[doc(inline)]
pub use crate::__lab_main as main;

/// Expands to an experiment's `main`; its name is [`main!`](crate::lab::main).
#[doc(hidden)]
#[macro_export]
macro_rules! __lab_main {
    (
        $actors:expr,
        $(setup: $setup:expr,)?
        $(commands: [$($own:ident($($parameter:ident: $type:ty),* $(,)?) = $about:literal),* $(,)?],)?
        demo: [$($command:literal $(after $seen:literal)?),* $(,)?] $(,)?
    ) => {
        fn main() -> ::std::process::ExitCode {
            const EXPERIMENT: $crate::lab::Experiment = $crate::lab::Experiment {
                name: ::core::env!("CARGO_PKG_NAME"),
                description: ::core::env!("CARGO_PKG_DESCRIPTION"),
                folder: ::core::env!("CARGO_MANIFEST_DIR"),
                notes: ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/README.rst")),
                release: !::core::cfg!(debug_assertions),
                actors: $actors,
                setup: [$($setup,)? $crate::lab::Setup::NONE][0],
                commands: &[$($($crate::lab::OwnCommand {
                    name: ::core::stringify!($own),
                    about: $about,
                    parameters: &[$($crate::actor::Parameter::of::<$type>(
                        ::core::stringify!($parameter),
                        ::core::stringify!($type),
                    )),*],
                    run: |broker, mut arguments| ::std::boxed::Box::pin(async move {
                        let _ = &mut arguments;
                        let ended = $own(broker, $($crate::lab::next::<$type>(&mut arguments)?),*).await;
                        ended.map_err(|error| ::std::string::ToString::to_string(&error))
                    }),
                }),*)?],
                demo: &[$($crate::lab::Step {
                    command: $command,
                    after: [$($seen,)? ""][0],
                }),*],
            };
            $crate::lab::run(&EXPERIMENT)
        }
    };
}

/// What the lab has to know about an experiment; [`main!`] fills it in.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// Its package, and so its binary.
    pub name: &'static str,
    /// The description in its `Cargo.toml`; may be empty.
    pub description: &'static str,
    /// The folder of its `Cargo.toml`.
    pub folder: &'static str,
    /// The text of its `README.rst`.
    pub notes: &'static str,
    /// Whether it was built in the release profile.
    pub release: bool,
    /// Its actors.
    pub actors: &'static [&'static Declaration],
    /// What its workers and its broker have beside.
    pub setup: Setup,
    /// Its own commands.
    pub commands: &'static [OwnCommand],
    /// The script of its demonstration.
    pub demo: &'static [Step],
}

/// What an experiment adds to what all of them have.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// To its worker: state.
    pub worker: fn(Worker) -> Worker,
    /// To the broker of its worker and its senders: middleware, other settings.
    pub broker: fn(BrokerBuilder) -> BrokerBuilder,
}

impl Setup {
    /// Nothing.
    pub const NONE: Self = Self { worker: |worker| worker, broker: |broker| broker };
}

/// A command of an experiment's own.
#[derive(Clone, Copy, Debug)]
pub struct OwnCommand {
    /// What is typed.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// Calls its function with what was typed.
    pub run: fn(Broker, IntoIter<Raw>) -> Running,
}

/// A command of an experiment's own, under way.
pub type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// The next of the arguments that were typed for an experiment's own command.
///
/// # Errors
///
/// Why it is no `T`; what is read by the type of its parameter is one.
pub fn next<T: Readable>(arguments: &mut IntoIter<Raw>) -> Result<T, String> {
    arguments.next().unwrap_or(Raw::NULL).read().map_err(|error| error.to_string())
}

impl Experiment {
    /// Its own command of that name.
    fn own(&self, name: &str) -> Option<&'static OwnCommand> {
        self.commands.iter().find(|own| own.name == name)
    }

    /// Its broker, at a URL.
    async fn connect(&self, url: &str) -> Result<Broker, ConnectError> {
        (self.setup.broker)(Broker::builder()).connect(url).await
    }

    /// Its worker, with its actors.
    fn worker(&self, broker: Broker) -> Worker {
        (self.setup.worker)(Worker::new(broker)).actors(self.actors)
    }
}

/// One command of a demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The command line, without the program's name.
    pub command: &'static str,
    /// Run it when a log line with this text has been seen since the command before it; empty: at once.
    pub after: &'static str,
}

/// Runs an experiment with the command line of this process.
#[must_use]
pub fn run(experiment: &Experiment) -> ExitCode {
    // Before anything else: a worker that is told to end while it starts ends as it always does. Other commands end by the
    // signal, as a shell expects.
    let early = commands::is_worker(env::args_os().skip(1)).then(take_signals);
    let ended = commands::check(experiment).and_then(|()| {
        let matches = match commands::program(experiment).try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return Ok(commands::report(&error)),
        };
        dispatch(experiment, &matches, early)
    });
    let code = ended.unwrap_or_else(|failure| {
        output::error(&failure.to_string());
        failure.code()
    });
    output::flush();
    code
}

fn dispatch(
    experiment: &Experiment,
    matches: &ArgMatches,
    early: Option<io::Result<(Runtime, Signals)>>,
) -> Result<ExitCode, Failure> {
    let (command, given) = matches.subcommand().expect("clap demands a command");
    if command == commands::NOTES {
        output::print(experiment.notes);
        return Ok(ExitCode::SUCCESS);
    }
    let is_json = commands::wants_json_log(given);
    // The demonstration reads its own log.
    let lines = log::install(experiment, given.get_flag(commands::VERBOSE), is_json, command == commands::DEMO)?;
    let broken = |error| Failure::Broken(format!("no runtime, or no signals: {error}"));
    let (runtime, signals) = match early {
        Some(early) => early.map(|(runtime, signals)| (runtime, Some(signals))).map_err(broken)?,
        None => (new_runtime().map_err(broken)?, None),
    };
    let own = experiment.own(command);
    let ended = runtime.block_on(async {
        match (command, signals) {
            (commands::WORKER, Some(signals)) if given.contains_id(commands::WATCH) => {
                watch::watch(experiment, given, signals).await
            }
            (commands::WORKER, Some(signals)) => runner::work(experiment, given, signals).await,
            (command, _) if commands::inspect::ALL.contains(&command) => inspect::run(experiment, command, given).await,
            (commands::DEMO, _) => demo::demonstrate(experiment, lines).await,
            (actor, _) => match own {
                Some(own) => own::run(experiment, own, given).await,
                None => sender::send(experiment, actor, given).await,
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
        log::json_error("common::lab", &failure.to_string());
        Ok(failure.code())
    })
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

/// Why an experiment ends with an error.
#[derive(Debug)]
enum Failure {
    /// What was typed, or written in the experiment, makes no sense.
    Usage(String),
    /// No broker answers.
    Unreachable(String),
    /// Everything else.
    Broken(String),
}

impl Failure {
    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Broken(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Unreachable(text) | Self::Broken(text)) = self;
        f.write_str(text)
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Store(cause) => Self::Unreachable(cause.to_string()),
            experiment => Self::Usage(experiment.to_string()),
        }
    }
}
