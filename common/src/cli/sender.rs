//! Sends one message, or many alike, and prints their ids.

use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;
use jiff::ZonedDateTime;

use super::broker_choice::BrokerChoice;
use super::{App, Failure, commands, output, time};
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::message::Message;
use crate::queue_name::QueueName;

/// How many workers one look shows.
const PAGE: usize = 100;

/// How long to look for a live worker.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sends what was typed. Until it is sent, Ctrl-C ends the process as usual.
pub(super) async fn send(app: &App, actor: &str, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let choice = BrokerChoice::of(given)?;
    refuse_memory(&choice)?;
    let broker = choice.connect(app, std::convert::identity).await?;
    let calls = commands::calls(app, actor, given);
    let messages = broker.send_all(calls).await.map_err(|error| Failure::Broken(error.to_string()))?;
    let Some(first) = messages.first() else { return Ok(ExitCode::SUCCESS) };
    say(first, messages.len(), broker.clock().now(), commands::is_at(given));
    let ids: Vec<_> = messages.iter().map(|message| format!("{}\n", message.message_id)).collect();
    output::print(&ids.concat());
    if nobody_runs(&broker, &first.queue_name).await {
        let waits = if messages.len() == 1 { "it, so it waits" } else { "them, so they wait" };
        tracing::warn!(
            target: "common::sender",
            "no worker is alive that takes {waits}; to start one: {} worker",
            app.call()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether no worker is alive that takes from a queue, as far as that is known.
pub(super) async fn nobody_runs(broker: &Broker, queue: &QueueName) -> bool {
    // What cannot be told soon is not worth a wait: the message is sent.
    tokio::time::timeout(PATIENCE, somebody_runs(broker, queue)).await == Ok(false)
}

/// Nobody would ever run what is sent to a broker that ends with this process.
pub(super) fn refuse_memory(choice: &BrokerChoice) -> Result<(), Failure> {
    choice.in_memory().map_or(Ok(()), |url| {
        Err(Failure::Usage(format!(
            "`{url}` ends with this process, and the message with it; `demo` has a worker in the same process"
        )))
    })
}

fn say(message: &Message, times: usize, now: Timestamp, is_at: bool) {
    let queue = &message.queue_name;
    let times = if times == 1 { String::new() } else { format!("{times} times ") };
    match message.eta(now) {
        None => tracing::info!(target: "common::sender", "sent {message} {times}to queue {queue}"),
        Some(eta) => {
            let show = if is_at { time::due_with_offset } else { time::due };
            let due = show(eta, &ZonedDateTime::now());
            tracing::info!(target: "common::sender", "sent {message} {times}to queue {queue}, due at {due}");
        }
    }
}

/// Whether a worker is alive that takes from a queue. Where Python's share the broker, which don't tell their
/// queues, any live one counts.
async fn somebody_runs(broker: &Broker, queue: &QueueName) -> bool {
    let is_shared = broker.is_shared_with_python();
    let mut after = None;
    loop {
        let workers = match broker.workers(after, PAGE).await {
            Ok(workers) => workers,
            Err(error) => {
                tracing::debug!(target: "common::sender", "whether a worker is alive is unknown: {error}");
                return true;
            }
        };
        let takes = |queues: &Option<Vec<_>>| is_shared || queues.as_ref().is_none_or(|queues| queues.contains(queue));
        if workers.iter().any(|worker| !worker.is_silent && takes(&worker.queues)) {
            return true;
        }
        if workers.len() < PAGE {
            return false;
        }
        after = workers.last().map(|worker| worker.id.clone());
    }
}
