//! Sends one message, and prints its id.

use std::process::ExitCode;

use clap::ArgMatches;
use jiff::ZonedDateTime;

use super::choice::Choice;
use super::{Experiment, Failure, commands, output, when};
use crate::clock::Timestamp;
use crate::message::Message;

/// Sends what was typed. Until it is sent, Ctrl-C ends the process as usual.
pub(super) async fn send(experiment: &Experiment, actor: &str, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let choice = Choice::of(given);
    if choice.is_memory() {
        return Err(Failure::Usage(format!(
            "`{}` ends with this process, and the message with it; `demo` has a worker in the same process",
            choice.url
        )));
    }
    let broker = choice.connect(experiment).await?;
    let call = commands::call(experiment, actor, given);
    let message = call.send(&broker).await.map_err(|error| Failure::Broken(error.to_string()))?;
    say(&message, broker.clock().now());
    output::print(&format!("{}\n", message.message_id));
    Ok(ExitCode::SUCCESS)
}

fn say(message: &Message, now: Timestamp) {
    let queue = &message.queue_name;
    match message.eta(now) {
        None => tracing::info!(target: "common::sender", "sent {message} to queue {queue}"),
        Some(eta) => {
            let due = when::due(eta, &ZonedDateTime::now());
            tracing::info!(target: "common::sender", "sent {message} to queue {queue}, due at {due}");
        }
    }
}
