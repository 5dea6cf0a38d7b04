//! `cancel`, `pause`, `resume`, `purge`: what people move.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::commands::inside::Given;
use super::super::{Experiment, Failure};
use super::letter::Letter;
use super::show::not_found;
use super::text::short;
use super::{all_queues, all_workers, answer, is_wanted};
use crate::broker::Broker;
use crate::queue_name::QueueName;
use crate::store::{Cancelled, Location, Sighting};

/// The reason of a dead letter that was cancelled.
const BY_HAND: &str = "cancelled by hand";

/// How often a message that moved on meanwhile is looked for again.
const TRIES: usize = 10;

pub(super) async fn cancel(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let mut moved_on = None;
    for _ in 0..TRIES {
        let mut found = broker.find(typed.id(), typed.depth()).await?;
        // What is dead already stands beside what was sent again.
        let is_alive = |found: &Sighting| !matches!(found.location, Location::Dead { .. });
        if found.iter().any(is_alive) {
            found.retain(is_alive);
        }
        let now = broker.clock().now();
        let letters: Vec<Letter> = found.into_iter().map(|found| Letter::new(found, now)).collect();
        let Some(letter) = letters.first() else { break };
        if letters.iter().any(|other| other.id() != letter.id()) {
            return Err(several(typed.id(), &letters));
        }
        if let Location::Dead { reason, .. } = &letter.found.location {
            let reason = reason.as_deref().unwrap_or("nobody knows why");
            let text = format!("{} is a dead letter already: {reason}\n", letter.call());
            answer(typed, &text, &told(letter, "dead", "it is a dead letter already"));
            return Ok(ExitCode::FAILURE);
        }
        if let Some(cancelled) = broker.cancel(&letter.found, BY_HAND).await? {
            let (was, now) = outcome(broker, letter, &cancelled).await?;
            answer(typed, &format!("{} was {was}; {now}\n", letter.call()), &told(letter, was, &now));
            return Ok(ExitCode::SUCCESS);
        }
        moved_on = Some(letter.call());
    }
    if let Some(call) = moved_on {
        return Err(Failure::Broken(format!("{call} moves faster than it can be cancelled; try again")));
    }
    not_found(typed);
    Ok(ExitCode::FAILURE)
}

/// What it was, and what becomes of it.
async fn outcome(broker: &Broker, letter: &Letter, was: &Cancelled) -> Result<(&'static str, String), Failure> {
    let dead = format!("it is a dead letter now, in {}", letter.queue().dead_letter());
    let worker = match was {
        Cancelled::Ready => return Ok(("ready", dead)),
        Cancelled::Delayed => return Ok(("delayed", dead)),
        Cancelled::Claimed { worker } => worker,
    };
    let is_python = all_workers(broker).await?.iter().any(|known| known.id == *worker && known.queues.is_none());
    let worker = short(worker);
    Ok((
        "running",
        if is_python {
            format!("Python's worker {worker} has it, and does not hear of this: it runs to its end there")
        } else {
            format!("worker {worker} hears of it within about a second; it is not run again, however this run ends")
        },
    ))
}

fn told(letter: &Letter, was: &str, now: &str) -> Value {
    json!({ "message_id": letter.id(), "queue": letter.queue().as_str(), "was": was, "now": now })
}

/// Several ids start like this.
pub(super) fn several(id: &str, letters: &[Letter]) -> Failure {
    let list: Vec<String> = letters.iter().map(|letter| format!("  {}  {}", letter.id(), letter.call())).collect();
    Failure::Usage(format!(
        "{} messages have an id that starts with {id}; which one?\n{}",
        letters.len(),
        list.join("\n")
    ))
}

pub(super) async fn pause(experiment: &Experiment, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = known(experiment, broker, typed).await?;
    let is_new = broker.pause(queue).await?;
    let mut text = if is_new {
        format!("Queue {queue} is paused: what was fetched still runs, nothing more is fetched.\n")
    } else {
        format!("Queue {queue} was paused already.\n")
    };
    let has_python = all_workers(broker).await?.iter().any(|worker| worker.queues.is_none() && !worker.is_silent);
    if has_python {
        text.push_str("Python's workers know of no pause, and go on.\n");
    }
    answer(
        typed,
        &text,
        &json!({ "queue": queue.as_str(), "paused": true, "changed": is_new, "python_goes_on": has_python }),
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(experiment: &Experiment, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = known(experiment, broker, typed).await?;
    let is_new = broker.resume(queue).await?;
    let text = if is_new { format!("Queue {queue} goes on.\n") } else { format!("Queue {queue} was not paused.\n") };
    answer(typed, &text, &json!({ "queue": queue.as_str(), "paused": false, "changed": is_new }));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn purge(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = typed.queue().expect("it is required");
    let counts = broker.counts(queue).await?;
    let (ready, delayed) = (counts.ready, counts.delayed);
    if ready + delayed > 0 {
        let question = format!("Delete {ready} ready and {delayed} delayed messages of queue {queue}, for good?");
        if !is_wanted(typed, &question)? {
            answer(typed, "Nothing was deleted.\n", &json!({ "queue": queue.as_str(), "deleted": 0 }));
            return Ok(ExitCode::FAILURE);
        }
    }
    let deleted = broker.purge(queue).await?;
    let text = format!("{deleted} messages of queue {queue} are deleted; what runs or is dead stays.\n");
    answer(typed, &text, &json!({ "queue": queue.as_str(), "deleted": deleted }));
    Ok(ExitCode::SUCCESS)
}

/// The queue that was named, if anybody knows it: a typing error would be paused without a sound.
async fn known<'a>(experiment: &Experiment, broker: &Broker, typed: Given<'a>) -> Result<&'a QueueName, Failure> {
    let queue = typed.queue().expect("it is required");
    let is_ours = experiment.actors.iter().any(|actor| QueueName::canonical(actor.queue) == *queue);
    let queues = all_queues(broker).await?;
    if is_ours || queues.iter().any(|known| known.name == *queue) {
        return Ok(queue);
    }
    let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
    let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(Failure::Usage(format!("nobody here knows a queue {queue}; there are: {list}")))
}
