//! `show`: one message, and why it waits.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::commands::inside::Given;
use super::super::{Failure, output};
use super::letter::{Letter, aligned};
use super::{all_queues, all_workers, answer};
use crate::because::{Because, Facts};
use crate::broker::Broker;

pub(super) async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let found = broker.find(typed.id(), typed.depth()).await?;
    if found.is_empty() {
        not_found(typed);
        return Ok(ExitCode::FAILURE);
    }
    let (queues, workers, now) = (all_queues(broker).await?, all_workers(broker).await?, broker.clock().now());
    let (mut text, mut json) = (String::new(), Vec::new());
    for found in found {
        let queue = queues.iter().find(|queue| queue.name == found.queue);
        let because = Because::of(Facts { found: &found, queue, workers: &workers, now }).to_string();
        let letter = Letter::new(found, now);
        let mut lines = letter.lines(now);
        lines.push(("why", because.clone()));
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&aligned(&lines));
        let mut fields = letter.json();
        fields.insert("because".to_owned(), json!(because));
        json.push(Value::Object(fields));
    }
    answer(typed, &text, &json!({ "messages": json }));
    Ok(ExitCode::SUCCESS)
}

/// Says what that can mean.
pub(super) fn not_found(typed: Given<'_>) {
    if typed.json() {
        output::print(&format!("{:#}\n", json!({ "messages": [] })));
    }
    let deeper = if typed.is_deep() { "" } else { "; --deep looks into every message" };
    output::error(&format!(
        "no message here has the id {}: it has ended, or it is on another broker or in another namespace{deeper}",
        typed.id()
    ));
}
