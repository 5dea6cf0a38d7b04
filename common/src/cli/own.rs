//! Runs a command of a program's own where it is typed, as a sender runs.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::ArgMatches;
use tracing::{Instrument as _, info_span};

use super::broker_choice::BrokerChoice;
use super::{App, Failure, OwnCommand, commands, sender};
use crate::broker::Broker;
use crate::queue_name::QueueName;

/// Runs it against the broker that was chosen. Ctrl-C ends the process as usual.
pub(super) async fn run(app: &App, own: &OwnCommand, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let choice = BrokerChoice::of(given)?;
    sender::refuse_memory(&choice)?;
    let broker = choice.connect(app, std::convert::identity).await?;
    call(own, broker.clone(), given).await?;
    let queues: BTreeSet<_> = app.actors.iter().map(|actor| QueueName::canonical(actor.queue)).collect();
    for queue in queues {
        if sender::nobody_runs(&broker, &queue).await {
            tracing::warn!(
                target: "common::sender",
                "no worker is alive that takes from queue {queue}; to start one: {} worker",
                app.call()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Calls its function. What that logs is a sender's.
pub(super) async fn call(own: &OwnCommand, broker: Broker, given: &ArgMatches) -> Result<(), Failure> {
    let arguments = commands::given_arguments(own.parameters, given);
    let span = info_span!(target: "common::cli", "sender");
    (own.run)(broker, arguments.into_iter()).instrument(span).await.map_err(Failure::Broken)
}
