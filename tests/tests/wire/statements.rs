//! What each side relies on: of the notes on dramatiq's wire format, as their users notice it.
//!
//! Not here: X-010 (results), and of X-013 what a Rust worker calls back on success and failure.

mod bodies;
mod places;
mod workers;

use std::collections::BTreeSet;
use std::time::Duration;

use common::actor;
use common::actor::Context;
use common::clock::Clock;
use serde_json::{Value, json};

use crate::world::{Note, Notebook};

#[actor]
fn work(notebook: &Notebook, context: &Context, n: Value) {
    notebook.note(context, n);
}

#[actor]
fn measure(notebook: &Notebook, context: &Context, n: f64) {
    notebook.note(context, json!(n.to_string()));
}

#[actor]
fn speak(notebook: &Notebook, context: &Context, text: String) {
    notebook.note(context, json!(text));
}

#[actor(max_retries = 1, min_backoff = "1h")]
fn fail(notebook: &Notebook, context: &Context) -> Result<(), String> {
    notebook.note(context, Value::Null);
    Err("rust fails".to_owned())
}

/// Longer than an impatient Python waits for a sign of life.
#[actor]
async fn take_long(notebook: &Notebook, context: &Context) {
    Clock::system().sleep(LONG).await;
    notebook.note(context, Value::Null);
}

const LONG: Duration = Duration::from_secs(6);

/// Lives in Rust alone, and hears of what became of Python's messages.
#[actor(queue = "rust")]
fn hear(notebook: &Notebook, context: &Context, message: Value, about: Value) {
    notebook.note(context, json!([message, about]));
}

#[actor(max_retries = 0, on_retry_exhausted = hear_in_python)]
fn fail_for_good(notebook: &Notebook, context: &Context) -> Result<(), String> {
    notebook.note(context, Value::Null);
    Err("rust gives up".to_owned())
}

/// Declared here, so that it can be named; run by Python.
#[actor(queue = "python")]
fn hear_in_python(message: Value, about: Value) {
    let _ = (message, about);
}

const ACTORS: &str = "
@dramatiq.actor
def work(n):
    note(n)

@dramatiq.actor
def measure(n): note(str(n))

@dramatiq.actor
def speak(text): note(text)

@dramatiq.actor(max_retries=1, min_backoff=3_600_000)
def fail():
    note(None)
    raise ValueError('python fails')

@dramatiq.actor
def take_long():
    note(None)
";

/// What the actors say, in no order.
fn said(notes: &[Note]) -> BTreeSet<String> {
    notes.iter().map(|note| note.what.to_string()).collect()
}

const SEVEN: [&str; 7] = ["queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"];
