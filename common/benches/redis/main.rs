//! How fast the library is on a Redis, beside a bare client (a program that runs the same scripts on the same data, with
//! neither a worker nor an I/O thread) and beside Python's dramatiq.
//!
//! ```text
//! cargo bench -p common --bench redis -- redis://localhost:6379 [SECTION …] [--python VENV] [--messages N] [--kills N] [--workers N]
//! ```
//!
//! Without any section named, all are measured. For dramatiq, say where it is installed; to make such a place:
//!
//! ```text
//! python3 -m venv VENV && VENV/bin/pip install -r requirements-dev.txt
//! ```
//!
//! Machines are noisy, so those who are compared take turns, and the ratio (the median of all turns) is what counts. Every
//! figure is void unless each message was executed and acknowledged, which is checked after each round.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod child;
mod delayed;
mod drain;
mod ends;
mod enqueue;
mod fleet;
mod ground;
mod hooks;
mod idle;
mod pick_up;
mod python;
mod recovery;
#[path = "../support/support.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::task::block_in_place;

use crate::ground::Setup;
use crate::support::program::{self, Program, number};
use crate::support::{Failed, kills, table};

fn main() -> ExitCode {
    program::main::<Setup>()
}

impl Program for Setup {
    const USAGE: &str = "cargo bench -p common --bench redis -- REDIS_URL [SECTION …] [--python VENV] [--messages N] [--kills N] [--workers N]";

    const SECTIONS: &[&str] =
        &["drain", "hooks", "ends", "enqueue", "pick-up", "python", "idle", "delayed", "recovery", "fleet", "kills"];

    fn new() -> Self {
        Self { url: String::new(), python: None, messages: 50_000, kills: None, workers: 1_000 }
    }

    fn take(&mut self, argument: &str, mut value: impl FnMut() -> Result<String, String>) -> Result<bool, String> {
        match argument {
            "--python" => self.python = Some(PathBuf::from(value()?)),
            "--messages" => self.messages = number(&value()?)?,
            "--workers" => self.workers = number(&value()?)?,
            "--kills" => self.kills = Some(number(&value()?)?),
            url if self.url.is_empty() && url.contains("://") => url.clone_into(&mut self.url),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self, sections: &[&str]) -> Result<(), String> {
        if self.url.is_empty() {
            return Err("which Redis?".to_owned());
        }
        if sections.contains(&"python") && self.python.is_none() {
            return Err("which Python? A virtual environment with dramatiq: --python VENV".to_owned());
        }
        Ok(())
    }

    fn heading(&self) -> String {
        format!("{} messages a round, {} rounds in turn, medians", self.messages, table::ROUNDS)
    }

    async fn measure(&self, section: &str) -> Result<(), Failed> {
        match section {
            "drain" => drain::measure(self).await,
            "hooks" => hooks::measure(self).await,
            "ends" => ends::measure(self).await,
            "enqueue" => enqueue::measure(self).await,
            "pick-up" => pick_up::measure(self).await,
            "python" => python::measure(self).await,
            "idle" => idle::measure(self).await,
            "delayed" => delayed::measure(self).await,
            "recovery" => recovery::measure(self).await,
            "fleet" => fleet::measure(self).await,
            "kills" => {
                let (first, second) = (ground::namespace(), ground::namespace());
                let url = |namespace: &str| format!("{}?namespace={namespace}", self.url);
                kills::measure(&url(&first), &url(&second), self.kills.unwrap_or(kills::KILLS)).await?;
                [first, second].iter().try_for_each(|namespace| block_in_place(|| ground::wipe(&self.url, namespace)))
            }
            _ => unreachable!("only known sections are read"),
        }
    }

    async fn work(arguments: &[String]) -> Result<(), Failed> {
        let [url, namespace] = arguments else { return Err("a child needs a URL and a namespace".into()) };
        child::work(url, namespace).await
    }
}
