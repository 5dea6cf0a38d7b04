//! A message as it is shown: what its bytes say of it, and where it was found.

use serde_json::{Value, json};

use super::text::{Room, Table, local};
use crate::clock::Timestamp;
use crate::duration::spell;
use crate::explain::{Explained, Explanation, short};
use crate::message::{Message, option};
use crate::queue_name::QueueName;
use crate::store::{DeadLetter, MessageInfo, State};

/// How much of a call is shown.
const CALL: usize = 1_000;

/// How many columns of a terminal an id gets: those of a UUID.
const ID: usize = 36;

/// A message, and where it was found.
pub(super) struct MessageView {
    pub(super) found: MessageInfo,
    /// What its bytes are; nothing where they are no message.
    pub(super) message: Option<Message>,
    /// Why it is where it is, where that was asked.
    explanation: Option<Explanation>,
    /// Since when it runs, where that was asked and is known.
    since: Option<Timestamp>,
}

impl MessageView {
    pub(super) fn new(found: MessageInfo, now: Timestamp) -> Self {
        let message = Message::decode(&found.bytes, now).ok();
        Self { found, message, explanation: None, since: None }
    }

    pub(super) fn explained(explained: Explained) -> Self {
        let Explained { found, explanation, since, now } = explained;
        Self { explanation: Some(explanation), since, ..Self::new(found, now) }
    }

    pub(super) fn dead(queue: &QueueName, dead: DeadLetter, now: Timestamp) -> Self {
        let DeadLetter { id, bytes, reason, died } = dead;
        let state = State::Dead { died, reason };
        Self::new(MessageInfo { queue: queue.clone(), name: id, bytes, crashes: 0, state }, now)
    }

    /// As the broker takes it back, if it is dead.
    pub(super) fn as_dead(&self) -> Option<DeadLetter> {
        let State::Dead { died, reason } = &self.found.state else { return None };
        let MessageInfo { name, bytes, .. } = &self.found;
        Some(DeadLetter { id: name.clone(), bytes: bytes.clone(), reason: reason.clone(), died: *died })
    }

    /// `actor(1, "a")`; or what it is not.
    pub(super) fn call(&self) -> String {
        self.message.as_ref().map_or_else(|| "(no message)".to_owned(), ToString::to_string)
    }

    /// The same, as far as a sentence has room for it.
    pub(super) fn short_call(&self) -> String {
        super::text::cut(&self.call(), 60)
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

    /// When it died, and why.
    pub(super) fn death(&self) -> Option<(Timestamp, Option<&str>)> {
        match &self.found.state {
            State::Dead { died, reason } => Some((*died, reason.as_deref())),
            _ => None,
        }
    }

    fn error(&self) -> Option<String> {
        self.message.as_ref()?.options.read(option::TRACEBACK)
    }

    /// All that is known, a line each.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("id", self.id().to_owned()),
            ("call", super::text::cut(&self.call(), CALL)),
            ("queue", self.queue().to_string()),
            ("state", self.whereabouts()),
        ];
        let error = self.error();
        if let Some(message) = &self.message {
            lines.push(("attempts", self.attempts(message)));
            let sent = message.message_timestamp;
            lines.push(("sent", format!("{}, {} ago", local(sent), spell(now.since(sent)))));
            let steps: Vec<_> = next_steps(message, now).map(|step| step.to_string()).collect();
            if !steps.is_empty() {
                lines.push(("then", super::text::cut(&steps.join(", "), CALL)));
            }
        } else {
            lines.push(("bytes", super::text::cut(&String::from_utf8_lossy(&self.found.bytes), CALL)));
        }
        if let State::Delayed { due } = &self.found.state {
            let distance = if *due > now {
                format!("in {}", spell(due.since(now)))
            } else {
                format!("{} ago", spell(now.since(*due)))
            };
            lines.push(("due", format!("{}, {distance}", local(*due))));
        }
        if let Some(since) = self.since {
            lines.push(("running", format!("since {}, for {}", local(since), spell(now.since(since)))));
        }
        if let Some((_, Some(reason))) = self.death()
            && error.as_deref() != Some(reason)
        {
            lines.push(("reason", reason.to_owned()));
        }
        if let Some(error) = error {
            lines.push(("last error", error));
        }
        if self.found.crashes > 0 {
            lines.push(("crashes", format!("{} of its workers died with it", self.found.crashes)));
        }
        if self.found.name != self.id() {
            lines.push(("stored as", self.found.name.clone()));
        }
        if let Some(explanation) = &self.explanation {
            lines.push(("why", explanation.to_string()));
        }
        lines
    }

    fn whereabouts(&self) -> String {
        match &self.found.state {
            State::Ready { ahead: Some(0) } => "ready, the next one".to_owned(),
            State::Ready { ahead: Some(ahead) } => format!("ready, {ahead} before it"),
            State::Ready { ahead: None } => "ready, far behind".to_owned(),
            State::Delayed { .. } => "delayed".to_owned(),
            State::Claimed { worker, cancelled: false } => format!("with worker {}", short(worker)),
            State::Claimed { worker, cancelled: true } => format!("with worker {}, and cancelled", short(worker)),
            State::Dead { died, .. } => format!("dead since {}", local(*died)),
        }
    }

    fn attempts(&self, message: &Message) -> String {
        let done = message.retries();
        match (&self.found.state, done) {
            (State::Dead { .. }, 0) => "no retry".to_owned(),
            (State::Dead { .. }, 1) => "1 retry".to_owned(),
            (State::Dead { .. }, _) => format!("{done} retries"),
            (State::Claimed { .. }, _) => format!("{} is under way", done + 1),
            (_, 0) => "none yet".to_owned(),
            _ => format!("{done} done, {} is next", done + 1),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let mut json = json!(self.found);
        json["message_id"] = json!(self.id());
        json["last_error"] = json!(self.error());
        if let Some(message) = &self.message {
            json["actor"] = json!(&*message.actor_name);
            json["call"] = json!(message.to_string());
            json["sent"] = json!(message.message_timestamp);
            json["retries"] = json!(message.retries());
            let steps = next_steps(message, message.message_timestamp).map(|step| step.to_string());
            json["then"] = json!(steps.collect::<Vec<_>>());
        } else {
            json["bytes"] = json!(String::from_utf8_lossy(&self.found.bytes));
        }
        if let Some(since) = self.since {
            json["since"] = json!(since);
        }
        if let Some(explanation) = &self.explanation {
            json["explanation"] = json!(explanation);
        }
        json
    }
}

/// The further steps of its pipeline, as far as they are messages.
fn next_steps(message: &Message, now: Timestamp) -> impl Iterator<Item = Message> {
    let next = move |message: &Message| {
        let target = message.options.get(option::PIPE_TARGET)?;
        Message::decode(target.as_str().as_bytes(), now).ok()
    };
    std::iter::successors(next(message), next)
}

/// Whether these are several messages, and not one that is in several places.
pub(super) fn are_several(views: &[MessageView]) -> bool {
    views.windows(2).any(|pair| pair[0].id() != pair[1].id())
}

/// Those that are meant by an id, or by its start: where it is the whole id of a message, that one alone.
pub(super) fn meant(id: &str, mut views: Vec<MessageView>) -> Vec<MessageView> {
    if views.iter().any(|view| view.id() == id) {
        views.retain(|view| view.id() == id);
    }
    views
}

/// A line for each.
pub(super) fn overview(views: &[MessageView]) -> String {
    let mut table = Table::new(Room::of_stdout(), &["ID", "Place", "QUEUE", "CALL"]);
    for view in views {
        let queue = Room::of_stdout().cell(view.queue().as_str(), 20);
        table.row(vec![Room::of_stdout().cell(view.id(), ID), view.found.state.name().to_owned(), queue, view.call()]);
    }
    table.to_string()
}
