//! Looking inside of a broker, and moving by hand what lies there.
//!
//! Each command is a question to the broker and a text for people, or with `--json` one document for programs: its keys
//! stay as they are, others may come beside them. Results go to stdout, everything else to stderr.
//!
//! ```text
//! queues                        queues.rs   what is where, and who is alive
//! show ID                       show.rs     one message, and why it waits
//! result ID                     result.rs   what is kept of what it came to
//! dead list|show|requeue|delete dead.rs     what died
//! cancel, pause, resume, purge  admin.rs    what people move
//! ```

mod admin;
mod dead;
mod message_view;
mod queues;
mod result;
mod show;
mod text;

use std::io::{IsTerminal as _, stdin};
use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use self::message_view::{MessageView, overview};
use super::broker_choice::BrokerChoice;
use super::commands::inspect::{self as words, Given};
use super::{App, Failure, output};
use crate::error::StoreError;

/// Runs one of the commands.
pub(super) async fn run(app: &App, command: &str, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let choice = BrokerChoice::of(given)?;
    if let Some(url) = choice.in_memory() {
        return Err(Failure::Usage(format!("`{url}` is empty: it begins and ends with this process")));
    }
    let broker = choice.connect(app, std::convert::identity).await?;
    let typed = Given(given);
    match command {
        words::QUEUES => queues::show(app, &broker, typed).await,
        words::SHOW => show::show(&broker, typed).await,
        words::RESULT => result::show(app, &broker, typed).await,
        words::CANCEL => admin::cancel(&broker, typed).await,
        words::PAUSE => admin::pause(app, &broker, typed).await,
        words::RESUME => admin::resume(app, &broker, typed).await,
        words::PURGE => admin::purge(app, &broker, typed).await,
        _ => dead::run(&broker, given).await,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) => Self::Unreachable(error.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Writes the answer, for people or for programs.
fn answer(typed: Given<'_>, people: &str, programs: &Value) {
    if typed.json() {
        output::print(&format!("{programs:#}\n"));
    } else {
        output::print(&output::harmless(people));
    }
}

/// Says that nothing was found, and why that may be.
fn nothing(typed: Given<'_>, key: &str, why: &str) -> ExitCode {
    if typed.json() {
        output::print(&format!("{:#}\n", json!({ key: [] })));
    }
    output::error(why);
    ExitCode::FAILURE
}

/// How many there are whose id starts so.
fn number_of(id: &str, views: &[MessageView]) -> String {
    format!("{} messages have an id that starts with {id}", views.len())
}

/// Several messages have an id that starts so, and only one can be meant.
fn several(id: &str, views: &[MessageView]) -> Failure {
    let several = number_of(id, views);
    Failure::Usage(format!("{several}; which one?\n\n{}", overview(views)))
}

/// Cuts off what goes beyond the limit, and tells whether there was something.
fn more_than<T>(found: &mut Vec<T>, limit: usize) -> bool {
    let has_more = found.len() > limit;
    found.truncate(limit);
    has_more
}

/// Asks whether to go on. Where nobody can be asked, it is refused.
fn is_wanted(typed: Given<'_>, question: &str) -> Result<bool, Failure> {
    if typed.yes() {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} Nobody is there to answer; --yes is an answer")));
    }
    // On stderr, where it is seen whatever becomes of the answer to the command.
    output::log(&format!("{question} [y/N] "));
    output::flush();
    let mut said = String::new();
    stdin().read_line(&mut said).map_err(|error| Failure::Broken(format!("no answer: {error}")))?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}
