//! `show`: one message, and why it waits.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::Failure;
use super::super::commands::inside::Given;
use super::letter::{Letter, are_several, meant, overview};
use super::text::aligned;
use super::{all_queues, all_workers, answer, nothing};
use crate::because::{Because, Facts};
use crate::broker::Broker;

pub(super) async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let found = broker.find(typed.id(), typed.depth()).await?;
    if found.is_empty() {
        return Ok(nothing(typed, "messages", &not_found(typed)));
    }
    let (queues, workers, now) = (all_queues(broker).await?, all_workers(broker).await?, broker.clock().now());
    let letters = meant(typed.id(), found.into_iter().map(|found| Letter::new(found, now)).collect());
    let (mut texts, mut programs) = (Vec::new(), Vec::new());
    for letter in &letters {
        let queue = queues.iter().find(|queue| queue.name == letter.found.queue);
        let because = Because::of(Facts { found: &letter.found, queue, workers: &workers, now });
        let mut lines = letter.lines(now);
        lines.push(("why", because.to_string()));
        texts.push(aligned(&lines));
        let mut fields = letter.json();
        fields.insert("because".to_owned(), json!({ "kind": because.kind(), "text": because.to_string() }));
        programs.push(Value::Object(fields));
    }
    let text = if are_several(&letters) {
        format!(
            "{}\n{} messages have an id that starts so; `show` tells more of one.\n",
            overview(&letters),
            letters.len()
        )
    } else {
        texts.join("\n")
    };
    answer(typed, &text, &json!({ "messages": programs }));
    Ok(ExitCode::SUCCESS)
}

/// What it can mean that nothing was found.
pub(super) fn not_found(typed: Given<'_>) -> String {
    let deeper = if typed.is_deep() { "" } else { "; --deep looks into every message" };
    format!(
        "no message here has the id {}: it has ended, or it is on another broker or in another namespace{deeper}",
        typed.id()
    )
}
