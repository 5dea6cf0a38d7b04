//! `queues`: what is where, and who is alive.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::commands::inspect::Given;
use super::super::{App, Failure};
use super::message_view::MessageView;
use super::text::{Room, Table};
use super::{answer, more_than};
use crate::broker::Broker;
use crate::duration::spell;
use crate::explain::short;
use crate::queue_name::QueueName;
use crate::store::{PAGE, QueueInfo, WorkerInfo};

/// How many columns the name of a queue gets, and the names of a worker's.
const NAME: usize = 30;
const NAMES: usize = 20;

/// Of how many messages that a worker holds is told what they are.
const HELD: usize = 3;

/// A worker, and what the first messages are that it holds.
struct Busy {
    worker: WorkerInfo,
    held: Vec<Option<MessageView>>,
}

impl Busy {
    async fn read(broker: &Broker, worker: WorkerInfo) -> Result<Self, Failure> {
        let (mut held, now) = (Vec::new(), broker.clock().now());
        for claim in worker.claims.iter().take(HELD) {
            held.push(broker.get(claim).await?.map(|found| MessageView::new(found, now)));
        }
        Ok(Self { worker, held })
    }

    fn row(&self, room: Room) -> Vec<String> {
        let Self { worker, held } = self;
        let life =
            if worker.is_silent { format!("silent for {}", spell(worker.silent_for)) } else { "alive".to_owned() };
        let queues = worker.queues.as_ref().map_or_else(
            || "(Python)".to_owned(),
            |queues| queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(" "),
        );
        // What ended between two looks is left out.
        let known = held.iter().flatten();
        let mut calls: Vec<String> =
            known.map(|view| format!("{} {}", view.actor().unwrap_or("(no message)"), short(view.id()))).collect();
        if worker.claims.len() > HELD {
            calls.push("…".to_owned());
        }
        let number = if worker.claims.len() < PAGE { worker.claims.len().to_string() } else { format!("{PAGE}+") };
        vec![short(&worker.id).to_owned(), life, room.cell(&queues, NAMES), number, calls.join(", ")]
    }

    fn json(&self) -> Value {
        let mut json = json!(self.worker);
        for at in 0..self.worker.claims.len() {
            let view = self.held.get(at).and_then(Option::as_ref);
            let claim = &mut json["claims"][at];
            claim["message_id"] = json!(view.map(MessageView::id));
            claim["actor"] = json!(view.and_then(MessageView::actor));
        }
        json
    }
}

pub(super) async fn show(app: &App, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let limit = typed.limit();
    // One more tells whether there are more.
    let mut queues = broker.queues(None, limit + 1).await?;
    let mut workers = broker.workers(None, limit + 1).await?;
    let (more_queues, more_workers) = (more_than(&mut queues, limit), more_than(&mut workers, limit));
    let mut busy = Vec::new();
    for worker in workers {
        busy.push(Busy::read(broker, worker).await?);
    }
    let mut text = queues_table(&queues);
    text.push('\n');
    text += &workers_table(app, &busy);
    if more_queues || more_workers {
        text += "\nThere are more: --limit N shows so many.\n";
    }
    let json = json!({
        "queues": queues,
        "more_queues": more_queues,
        "workers": busy.iter().map(Busy::json).collect::<Vec<_>>(),
        "more_workers": more_workers,
    });
    answer(typed, &text, &json);
    Ok(ExitCode::SUCCESS)
}

fn queues_table(queues: &[QueueInfo]) -> String {
    if queues.is_empty() {
        return "No queue holds anything.\n".to_owned();
    }
    let room = Room::of_stdout();
    let mut table = Table::new(room, &["QUEUE", "#READY", "#DELAYED", "#RUNNING", "#DEAD", ""]);
    for queue in queues {
        let counts = queue.counts;
        let numbers = [counts.ready, counts.delayed, counts.claimed, counts.dead];
        let mut row = vec![room.cell(queue.name.as_str(), NAME)];
        row.extend(numbers.iter().map(ToString::to_string));
        row.push(if queue.paused { "paused" } else { "" }.to_owned());
        table.row(row);
    }
    table.to_string()
}

fn workers_table(app: &App, workers: &[Busy]) -> String {
    if workers.is_empty() {
        return format!("No worker is alive; to start one: {} worker\n", app.call());
    }
    let room = Room::of_stdout();
    let mut table = Table::new(room, &["WORKER", "STATUS", "QUEUES", "#CLAIMED", ""]);
    for busy in workers {
        table.row(busy.row(room));
    }
    table.to_string()
}
