//! `result`: what is kept of what an actor returned.
//!
//! A result's key is made of a message's queue, actor and whole id. A message that is still somewhere tells all three. One that has
//! ended left its id alone to whoever sent it, so the program's actors are tried.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::commands::inspect::Given;
use super::super::{App, Failure};
use super::message_view::{MessageView, are_several, meant};
use super::text::aligned;
use super::{answer, nothing, several};
use crate::broker::Broker;
use crate::message::{Message, MessageId, Raw};
use crate::queue_name::QueueName;
use crate::results::Stored;

/// How long a whole id is.
const WHOLE: usize = 36;

pub(super) async fn show(app: &App, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let explained = broker.explain(typed.id(), typed.depth()).await?;
    let places: Vec<String> = explained.iter().map(|place| place.explanation.to_string()).collect();
    let views = meant(typed.id(), explained.into_iter().map(MessageView::explained).collect());
    if are_several(&views) {
        return Err(several(typed.id(), &views));
    }
    let found = views.into_iter().find_map(|view| view.message);
    let candidates = found.clone().map_or_else(|| candidates(app, broker, typed), |message| vec![message]);
    for message in &candidates {
        if let Some(stored) = broker.result(message).await? {
            let (people, programs) = kept(broker, message, &stored);
            answer(typed, &people, &json!({ "results": [programs] }));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let why = match &found {
        Some(message) => not_yet(app, broker, message, places.first().map_or("", String::as_str)),
        None => nowhere(app, typed),
    };
    Ok(nothing(typed, "results", &why))
}

/// Messages with this id, one to each of the program's actors.
fn candidates(app: &App, broker: &Broker, typed: Given<'_>) -> Vec<Message> {
    let now = broker.clock().now();
    let to = |actor: &&crate::actor::Declaration| Message {
        message_id: MessageId::from(typed.id()),
        ..Message::new(QueueName::canonical(actor.queue), actor.name, [], now)
    };
    app.actors.iter().map(to).collect()
}

/// For people, and for programs.
fn kept(broker: &Broker, message: &Message, stored: &Stored) -> (String, Value) {
    let (id, actor, key) = (message.message_id.as_str(), &*message.actor_name, broker.result_key(message));
    let mut programs = json!({ "message_id": id, "actor": actor, "queue": message.queue_name, "key": key });
    let what = match stored {
        Stored::Value(value) => {
            programs["value"] = as_json(value);
            ("value", value.as_str().to_owned())
        }
        Stored::Failed { kind, text } => {
            programs["failed"] = json!({ "type": kind, "message": text });
            ("failed", format!("{kind}: {text}"))
        }
    };
    let lines = [("id", id.to_owned()), ("actor", actor.to_owned()), what, ("kept as", key)];
    (aligned(&lines), programs)
}

/// A value as it is; as a text where no other program would read it: Python's NaN.
fn as_json(value: &Raw) -> Value {
    serde_json::from_str(value.as_str()).unwrap_or_else(|_| json!(value.as_str()))
}

/// Why nothing is kept of a message that is still somewhere.
fn not_yet(app: &App, broker: &Broker, message: &Message, place: &str) -> String {
    let actor = app.actors.iter().find(|actor| *actor.name == *message.actor_name).copied();
    if actor.is_some() && !broker.settings().results.are_kept(message, actor) {
        return format!(
            "nothing will be kept of {message}: neither it nor its actor says `store_results = true`; {place}"
        );
    }
    format!("nothing is kept of {message} yet: {place}")
}

/// What it can mean that nothing was found.
fn nowhere(app: &App, typed: Given<'_>) -> String {
    let id = typed.id();
    if id.len() < WHOLE {
        return format!("no message here has an id that starts with {id}; one that has ended is found by its whole id");
    }
    let actors: Vec<&str> = app.actors.iter().map(|actor| actor.name).collect();
    format!(
        "nothing is kept of a message {id} to {}: it has ended and kept nothing, or no longer; or it is on another broker or in another \
         namespace",
        actors.join(", ")
    )
}
