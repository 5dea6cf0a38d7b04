//! Commands of an experiment's own: functions that run where they are typed, as a sender does.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::process::ExitCode;
use std::vec::IntoIter;

use clap::{ArgMatches, Command};
use tracing::{Instrument as _, info_span};

use super::broker_choice::BrokerChoice;
use super::{Experiment, Failure, commands, sender};
use crate::actor::Parameter;
use crate::broker::Broker;
use crate::message::Raw;
use crate::queue_name::QueueName;
use crate::results::Readable;

/// A function under way.
pub type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// A command of an experiment's own; [`main!`](super::main) makes it.
#[derive(Clone, Copy)]
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

/// The next of the typed arguments.
///
/// # Errors
///
/// Why it is none of this type, which was found out before.
pub fn next<T: Readable>(arguments: &mut IntoIter<Raw>) -> Result<T, String> {
    arguments.next().unwrap_or(Raw::NULL).read().map_err(|error| error.to_string())
}

/// The command of that name.
pub(super) fn find(experiment: &Experiment, name: &str) -> Option<&'static OwnCommand> {
    experiment.commands.iter().find(|own| own.name == name)
}

/// Runs a command. Ctrl-C ends the process as usual.
pub(super) async fn run(experiment: &Experiment, name: &str, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let own = find(experiment, name).expect("who calls has found it");
    let choice = BrokerChoice::of(given)?;
    sender::refuse_memory(&choice)?;
    let broker = choice.connect(experiment).await?;
    own.call(broker.clone(), given).await?;
    let queues: BTreeSet<_> = experiment.actors.iter().map(|actor| QueueName::canonical(actor.queue)).collect();
    for queue in queues {
        if sender::nobody_runs(&broker, &queue).await {
            tracing::warn!(
                target: "common::sender",
                "no worker is alive that takes from queue {queue}; to start one: cargo run -p {} -- worker",
                experiment.name
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl OwnCommand {
    /// Its command line.
    pub(super) fn command(&self) -> Command {
        Command::new(self.name)
            .about(self.about)
            .after_help("It runs here and not in a worker, and ends by itself.")
            .args(commands::arguments(self.parameters))
    }

    /// Calls its function. What that logs is a sender's.
    pub(super) async fn call(&self, broker: Broker, given: &ArgMatches) -> Result<(), Failure> {
        let arguments = commands::given_arguments(self.parameters, given);
        let span = info_span!(target: "common::lab", "sender");
        (self.run)(broker, arguments.into_iter()).instrument(span).await.map_err(Failure::Broken)
    }
}

impl fmt::Debug for OwnCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCommand").field("name", &self.name).finish_non_exhaustive()
    }
}
