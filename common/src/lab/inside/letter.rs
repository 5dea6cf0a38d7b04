//! A message as it is shown: what its bytes say of it.

use serde_json::{Map, Value, json};

use super::text::{local, short, time};
use crate::because::Roughly;
use crate::clock::Timestamp;
use crate::message::{Message, option};
use crate::queue_name::QueueName;
use crate::store::{DEAD_LETTER_TTL, Location, Sighting};

/// A message, and where it was found.
pub(super) struct Letter {
    pub(super) found: Sighting,
    /// What its bytes are; nothing where they are no message.
    pub(super) message: Option<Message>,
}

impl Letter {
    pub(super) fn new(found: Sighting, now: Timestamp) -> Self {
        let message = Message::decode(&found.bytes, now).ok();
        Self { found, message }
    }

    /// `actor(1, "a")`; or what it is not.
    pub(super) fn call(&self) -> String {
        self.message.as_ref().map_or_else(|| "(no message)".to_owned(), ToString::to_string)
    }

    pub(super) fn actor(&self) -> Option<&str> {
        self.message.as_ref().map(|message| &*message.actor_name)
    }

    /// The message's own id; else the store's name for the bytes.
    pub(super) fn id(&self) -> &str {
        self.message.as_ref().map_or(&self.found.name, |message| message.message_id.as_str())
    }

    pub(super) fn queue(&self) -> &QueueName {
        &self.found.queue
    }

    pub(super) fn error(&self) -> Option<String> {
        self.message.as_ref()?.options.read(option::TRACEBACK)
    }

    /// All that is known, a line each.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("id", self.id().to_owned()),
            ("call", self.call()),
            ("queue", self.queue().to_string()),
            ("place", self.place()),
        ];
        if let Some(message) = &self.message {
            lines.push(("sent", local(message.message_timestamp)));
            lines.push(("retries", message.retries().to_string()));
        }
        if let Location::Delayed { due } = &self.found.location {
            lines.push(("due", local(*due)));
        }
        if let Some(error) = self.error() {
            lines.push(("last error", error));
        }
        if self.found.crashes > 0 {
            lines.push(("deaths", format!("{} workers died with it", self.found.crashes)));
        }
        // Names of ours begin with the id.
        if !self.found.name.starts_with(self.id()) {
            lines.push(("stored as", self.found.name.clone()));
        }
        lines
    }

    fn place(&self) -> String {
        match &self.found.location {
            Location::Ready { ahead: Some(ahead) } => format!("ready, {ahead} before it"),
            Location::Ready { ahead: None } => "ready, far behind".to_owned(),
            Location::Delayed { .. } => "delayed".to_owned(),
            Location::Claimed { worker, cancelled: false } => {
                format!("running, or about to, on worker {}", short(worker))
            }
            Location::Claimed { worker, cancelled: true } => format!("running on worker {}, cancelled", short(worker)),
            Location::Dead { died, .. } => format!("dead since {}", local(*died)),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        set("message_id", json!(self.id()));
        set("name", json!(self.found.name));
        set("queue", json!(self.queue().as_str()));
        set("crashes", json!(self.found.crashes));
        if let Some(message) = &self.message {
            set("actor", json!(&*message.actor_name));
            set("call", json!(message.to_string()));
            set("sent", time(message.message_timestamp));
            set("retries", json!(message.retries()));
        } else {
            set("bytes", json!(String::from_utf8_lossy(&self.found.bytes)));
        }
        set("last_error", json!(self.error()));
        let place = match &self.found.location {
            Location::Ready { ahead } => {
                set("ahead", json!(ahead));
                "ready"
            }
            Location::Delayed { due } => {
                set("due", time(*due));
                "delayed"
            }
            Location::Claimed { worker, cancelled } => {
                set("worker", json!(worker));
                set("cancelled", json!(cancelled));
                "running"
            }
            Location::Dead { died, reason } => {
                set("died", time(*died));
                set("kept_until", time(*died + DEAD_LETTER_TTL));
                set("reason", json!(reason));
                "dead"
            }
        };
        set("place", json!(place));
        fields
    }
}

/// Lines with their names in a column.
pub(super) fn aligned(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}
