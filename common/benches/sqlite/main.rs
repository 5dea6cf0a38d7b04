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
#[path = "../support/kills.rs"]
mod kills;
mod pick_up;
#[path = "../support/table.rs"]
mod table;

use std::process::ExitCode;

pub(crate) use crate::ground::Failed;
use crate::ground::Setup;

const USAGE: &str = "cargo bench -p common --features sqlite --bench sqlite -- [SECTION …] [--messages N] [--kills N] [--full] [--folder DIR]";

const SECTIONS: [&str; 7] = ["drain", "enqueue", "pick-up", "idle", "fleet", "kills", "apalis"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let [command, url] = arguments.as_slice()
        && command == ground::WORK
    {
        return ended(runtime.block_on(ground::work(url)));
    }
    if let [command, url] = arguments.as_slice()
        && command == kills::WORK
    {
        return ended(runtime.block_on(kills::work(url)));
    }
    match read(arguments) {
        Ok((setup, sections)) => ended(runtime.block_on(measure(&setup, &sections))),
        Err(mistake) => {
            eprintln!("{mistake}\n{USAGE}\nsections: {}", SECTIONS.join(", "));
            ExitCode::from(2)
        }
    }
}

fn ended(result: Result<(), Failed>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("void: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for, and of what.
fn read(arguments: Vec<String>) -> Result<(Setup, Vec<&'static str>), String> {
    let mut setup = Setup { messages: 50_000, full: false, folder: std::env::temp_dir(), kills: kills::KILLS };
    let mut sections = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--messages" => setup.messages = value()?.parse().map_err(|error| format!("--messages: {error}"))?,
            "--folder" => setup.folder = value()?.into(),
            "--kills" => setup.kills = value()?.parse().map_err(|error| format!("--kills: {error}"))?,
            "--full" => setup.full = true,
            name => match SECTIONS.into_iter().find(|section| *section == name) {
                Some(section) => sections.push(section),
                None => return Err(format!("what is {name}?")),
            },
        }
    }
    if sections.is_empty() {
        sections.extend(SECTIONS);
    }
    Ok((setup, sections))
}

async fn measure(setup: &Setup, sections: &[&'static str]) -> Result<(), Failed> {
    let synchronous = if setup.full { "FULL" } else { "NORMAL" };
    println!(
        "{} messages a round, {} rounds in turn, medians; synchronous {synchronous}\n",
        setup.messages,
        table::ROUNDS
    );
    table::head();
    for section in sections {
        match *section {
            "drain" => drain::measure(setup).await?,
            "enqueue" => enqueue::measure(setup).await?,
            "pick-up" => pick_up::measure(setup).await?,
            "idle" => idle::measure(setup).await?,
            "fleet" => fleet::measure(setup).await?,
            "kills" => {
                let (first, second) = (ground::Place::new(setup)?, ground::Place::new(setup)?);
                kills::measure(&first.url(), &second.url(), setup.kills).await?;
            }
            "apalis" => apalis::measure(setup).await?,
            _ => unreachable!("only known sections are read"),
        }
    }
    Ok(())
}
