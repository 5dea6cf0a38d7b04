//! How fast the library is on a SQLite file, beside apalis-sqlite.
//!
//! ```text
//! cargo bench -p common --features sqlite --bench sqlite -- [SECTION …] [--messages N] [--kills N] [--full] [--folder DIR]
//! ```
//!
//! Without any section named, all are measured. `apalis` builds a program of its own, which takes minutes the first time. The
//! file lies in a folder of its own below the system's temporary one, or below `--folder`: on which disk makes a difference.
//! Every figure is void unless each message was executed and acknowledged, which is checked after each round.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod apalis;
mod drain;
mod enqueue;
mod fleet;
mod ground;
mod idle;
mod pick_up;
#[path = "../support/support.rs"]
mod support;

use std::process::ExitCode;

use crate::ground::{Place, Setup};
use crate::support::program::{self, Program, number};
use crate::support::{Failed, kills, table};

fn main() -> ExitCode {
    program::main::<Setup>()
}

impl Program for Setup {
    const USAGE: &str = "cargo bench -p common --features sqlite --bench sqlite -- [SECTION …] [--messages N] [--kills N] [--full] [--folder DIR]";

    const SECTIONS: &[&str] = &["drain", "enqueue", "pick-up", "idle", "fleet", "kills", "apalis"];

    fn new() -> Self {
        Self { messages: 50_000, full: false, folder: std::env::temp_dir(), kills: kills::KILLS }
    }

    fn take(&mut self, argument: &str, mut value: impl FnMut() -> Result<String, String>) -> Result<bool, String> {
        match argument {
            "--messages" => self.messages = number(&value()?)?,
            "--folder" => self.folder = value()?.into(),
            "--kills" => self.kills = number(&value()?)?,
            "--full" => self.full = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn heading(&self) -> String {
        let synchronous = if self.full { "FULL" } else { "NORMAL" };
        let Self { messages, .. } = self;
        format!("{messages} messages a round, {} rounds in turn, medians; synchronous {synchronous}", table::ROUNDS)
    }

    async fn measure(&self, section: &str) -> Result<(), Failed> {
        match section {
            "drain" => drain::measure(self).await,
            "enqueue" => enqueue::measure(self).await,
            "pick-up" => pick_up::measure(self).await,
            "idle" => idle::measure(self).await,
            "fleet" => fleet::measure(self).await,
            "kills" => {
                let (first, second) = (Place::new(self)?, Place::new(self)?);
                kills::measure(&first.url(), &second.url(), self.kills).await
            }
            "apalis" => apalis::measure(self).await,
            _ => unreachable!("only known sections are read"),
        }
    }

    async fn work(arguments: &[String]) -> Result<(), Failed> {
        let [url] = arguments else { return Err("a child needs a URL".into()) };
        ground::work(url).await
    }
}
