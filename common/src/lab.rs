//! What experiments have beside the [command line](crate::cli) of all programs: notes, and a demonstration.

use std::process::ExitCode;

use crate::actor::Declaration;
use crate::broker::BrokerBuilder;
pub use crate::cli::Step;
use crate::cli::{App, Lesson, OwnCommand, Package};
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
/// One that shows more than single messages has [commands of its own](crate::cli::commands!):
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
        $(commands: [$($commands:tt)*],)?
        demo: [$($command:literal $(after $seen:literal)?),* $(,)?] $(,)?
    ) => {
        fn main() -> ::std::process::ExitCode {
            $crate::lab::run(&$crate::lab::Experiment {
                name: ::core::env!("CARGO_PKG_NAME"),
                description: ::core::env!("CARGO_PKG_DESCRIPTION"),
                folder: ::core::env!("CARGO_MANIFEST_DIR"),
                notes: ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/README.rst")),
                release: !::core::cfg!(debug_assertions),
                actors: $actors,
                setup: [$($setup,)? $crate::lab::Setup::NONE][0],
                commands: $crate::cli::commands![$($($commands)*)?],
                demo: &[$($crate::lab::Step {
                    command: $command,
                    after: [$($seen,)? ""][0],
                }),*],
            })
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

/// Runs an experiment with the command line of this process.
#[must_use]
pub fn run(experiment: &Experiment) -> ExitCode {
    let Experiment { name, description, folder, notes, release, actors, setup, commands, demo } = *experiment;
    App::new(name)
        .about(description)
        .package(Package { name, folder, release })
        .actors(actors)
        .commands(commands)
        .broker(setup.broker)
        .worker(async move |worker| Ok((setup.worker)(worker)))
        .lesson(Lesson { notes, demo })
        .run()
}
