//! `queues`: what is where, and who is alive.

use std::process::ExitCode;

use serde_json::json;

use super::super::Failure;
use super::super::commands::inside::Given;
use super::text::{Table, cut, short};
use super::{all_queues, all_workers, answer};
use crate::because::Roughly;
use crate::broker::Broker;
use crate::store::WorkerSight;

/// The longest name of a queue that is shown.
const NAME: usize = 30;

/// How many ids of what a worker holds are shown.
const HELD: usize = 3;

pub(super) async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let (queues, workers) = (all_queues(broker).await?, all_workers(broker).await?);
    let mut table = Table::new(&["QUEUE", "#READY", "#DELAYED", "#RUNNING", "#DEAD", ""]);
    for queue in &queues {
        let counts = queue.counts;
        let numbers = [counts.ready, counts.delayed, counts.claimed, counts.dead];
        let mut row = vec![cut(queue.name.as_str(), NAME)];
        row.extend(numbers.iter().map(ToString::to_string));
        row.push(if queue.paused { "paused" } else { "" }.to_owned());
        table.row(row);
    }
    let mut text = if queues.is_empty() { "No queue holds anything.\n".to_owned() } else { table.to_string() };
    text.push('\n');
    if workers.is_empty() {
        text.push_str("No worker is alive.\n");
    } else {
        let mut table = Table::new(&["WORKER", "LIFE", "QUEUES", "#HOLDS", ""]);
        for worker in &workers {
            table.row(row(worker));
        }
        text.push_str(&table.to_string());
    }
    let json = json!({
        "queues": queues.iter().map(|queue| json!({
            "name": queue.name.as_str(),
            "ready": queue.counts.ready,
            "delayed": queue.counts.delayed,
            "running": queue.counts.claimed,
            "dead": queue.counts.dead,
            "paused": queue.paused,
        })).collect::<Vec<_>>(),
        "workers": workers.iter().map(|worker| json!({
            "id": worker.id,
            "python": worker.queues.is_none(),
            "queues": worker.queues.as_ref().map(|queues| queues.iter().map(|queue| queue.as_str().to_owned()).collect::<Vec<_>>()),
            "alive": !worker.is_silent,
            "silent_for_millis": u64::try_from(worker.silent_for.as_millis()).unwrap_or(u64::MAX),
            "holds": worker.holds.iter().map(|claim| json!({ "queue": claim.queue.as_str(), "name": &*claim.id })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    answer(typed, &text, &json);
    Ok(ExitCode::SUCCESS)
}

fn row(worker: &WorkerSight) -> Vec<String> {
    let life = if worker.is_silent { format!("silent for {}", Roughly(worker.silent_for)) } else { "alive".to_owned() };
    let queues = worker.queues.as_ref().map_or_else(
        || "(Python)".to_owned(),
        |queues| queues.iter().map(|queue| queue.as_str()).collect::<Vec<_>>().join(" "),
    );
    let mut held: Vec<&str> = worker.holds.iter().take(HELD).map(|claim| short(&claim.id)).collect();
    if worker.holds.len() > HELD {
        held.push("…");
    }
    vec![short(&worker.id).to_owned(), life, cut(&queues, NAME), worker.holds.len().to_string(), held.join(" ")]
}
