//! The log for programs: one JSON object a line (`--log-format json`).
//!
//! | key | what |
//! | --- | --- |
//! | `time` | RFC 3339, UTC, with milliseconds |
//! | `level` | `error`, `warn`, `info`, `debug`, `trace` |
//! | `target` | the module that speaks |
//! | `message` | the text of the line; not always there |
//! | `process` | which process of `worker --processes` it is, from 1; 0 is the one that starts the others; not there elsewhere |
//! | `slot`, `message_id`, `actor`, `queue`, `attempt`, `call` | inside of a run: the slot from 1, the id, the actor's name, its queue, the attempt from 1, and the start of the call; of each text up to 60 characters, and `…` where it is longer |
//! | `fields` | the event's other fields by name; not there where there are none. The line that ends a run has `outcome` (`done`, `failed`, `panicked`, `expected`, `retry`, `refused`), `milliseconds`, and `error` where there is one |
//!
//! These keys stay; others may come beside them. Signs that command a terminal are written as `\u001b`, so that a log can be
//! looked at.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::Event;
use tracing::field::{Field, Visit};

use super::super::output::is_command;
use super::line::{Run, gap_text};

/// The event as one line, with its end.
pub(super) fn draw(time: Timestamp, process: Option<u16>, run: Option<&Run>, event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let mut line = Map::new();
    let mut set = |key: &str, value: Value| line.insert(key.to_owned(), value);
    set("time", json!(format!("{time:.3}")));
    set("level", json!(metadata.level().as_str().to_ascii_lowercase()));
    set("target", json!(metadata.target()));
    if let Some(process) = process {
        set("process", json!(process));
    }
    if let Some(run) = run {
        set("slot", json!(run.slot()));
        set("message_id", json!(run.id()));
        set("actor", json!(run.actor()));
        set("queue", json!(run.queue()));
        set("attempt", json!(run.attempt()));
        set("call", json!(run.call()));
    }
    let mut fields = Fields::default();
    event.record(&mut fields);
    if let Some(message) = fields.0.remove("message") {
        set("message", message);
    }
    if !fields.0.is_empty() {
        set("fields", Value::Object(fields.0));
    }
    written(&Value::Object(line))
}

/// An error that is no event: a panic outside of runs, or why the program ends.
pub(super) fn error(time: Timestamp, target: &str, message: &str) -> String {
    written(&json!({ "time": format!("{time:.3}"), "level": "error", "target": target, "message": message }))
}

/// What stands where so many lines are missing.
pub(super) fn gap(time: Timestamp, lines: usize) -> String {
    written(&json!({
        "time": format!("{time:.3}"),
        "level": "warn",
        "target": "common::log",
        "message": gap_text(lines),
        "fields": { "lines": lines },
    }))
}

fn written(line: &Value) -> String {
    let mut text = line.to_string();
    // JSON leaves some of them as they are. They stand in strings only.
    if text.contains(is_command) {
        text = text.chars().fold(String::with_capacity(text.len()), |mut text, c| {
            if is_command(c) {
                // Writing into a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            } else {
                text.push(c);
            }
            text
        });
    }
    text.push('\n');
    text
}

/// An event's fields by name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}
