//! `show`: one message, and why it waits.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::Failure;
use super::super::commands::inspect::Given;
use super::message_view::{MessageView, are_several, meant, overview};
use super::text::aligned;
use super::{answer, nothing};
use crate::broker::Broker;

pub(super) async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let explained = broker.explain(typed.id(), typed.depth()).await?;
    let Some(now) = explained.first().map(|explained| explained.now) else {
        return Ok(nothing(typed, "messages", &not_found(typed)));
    };
    let views = meant(typed.id(), explained.into_iter().map(MessageView::explained).collect());
    let texts: Vec<String> = views.iter().map(|view| aligned(&view.lines(now))).collect();
    let programs: Vec<Value> = views.iter().map(MessageView::json).collect();
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
