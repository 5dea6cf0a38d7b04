//! `show`: one message, and why it waits.

use std::process::ExitCode;

use serde_json::json;

use super::super::Failure;
use super::super::commands::inspect::Given;
use super::message_view::{MessageView, are_several, meant, overview};
use super::text::aligned;
use super::{all_queues, all_workers, answer, nothing};
use crate::broker::Broker;
use crate::explain::{Explanation, Facts};

pub(super) async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let found = broker.find(typed.id(), typed.depth()).await?;
    if found.is_empty() {
        return Ok(nothing(typed, "messages", &not_found(typed)));
    }
    let (queues, workers, now) = (all_queues(broker).await?, all_workers(broker).await?, broker.clock().now());
    let views = meant(typed.id(), found.into_iter().map(|found| MessageView::new(found, now)).collect());
    let (mut texts, mut programs) = (Vec::new(), Vec::new());
    for view in &views {
        let queue = queues.iter().find(|queue| queue.name == view.found.queue);
        let explanation = Explanation::of(Facts { found: &view.found, queue, workers: &workers, now });
        let mut lines = view.lines(now);
        lines.push(("why", explanation.to_string()));
        texts.push(aligned(&lines));
        let mut program = view.json();
        program["explanation"] = json!(explanation);
        programs.push(program);
    }
    let text = if are_several(&views) {
        format!("{}\n{} messages have an id that starts so; `show` tells more of one.\n", overview(&views), views.len())
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
