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
mod enqueue;
mod fleet;
mod ground;
mod idle;
#[path = "../support/kills.rs"]
mod kills;
mod pick_up;
mod python;
mod recovery;
#[path = "../support/table.rs"]
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use crate::ground::Failed;
use crate::ground::Setup;

const USAGE: &str = "cargo bench -p common --bench redis -- REDIS_URL [SECTION …] [--python VENV] [--messages N] [--kills N] [--workers N]";

const SECTIONS: [&str; 9] = ["drain", "enqueue", "pick-up", "python", "idle", "delayed", "recovery", "fleet", "kills"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let [command, url, namespace] = arguments.as_slice()
        && command == child::COMMAND
    {
        return ended(runtime.block_on(child::work(url, namespace)));
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
    let mut setup = Setup { url: String::new(), python: None, messages: 50_000, kills: None, workers: 1_000 };
    let mut sections = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--python" => setup.python = Some(PathBuf::from(value()?)),
            "--messages" => setup.messages = number(&value()?)?,
            "--workers" => setup.workers = number(&value()?)?,
            "--kills" => setup.kills = Some(number(&value()?)?),
            name => match SECTIONS.into_iter().find(|section| *section == name) {
                Some(section) => sections.push(section),
                None if setup.url.is_empty() && name.contains("://") => setup.url = argument,
                None => return Err(format!("what is {name}?")),
            },
        }
    }
    if setup.url.is_empty() {
        return Err("which Redis?".to_owned());
    }
    if sections.contains(&"python") && setup.python.is_none() {
        return Err("which Python? A virtual environment with dramatiq: --python VENV".to_owned());
    }
    if sections.is_empty() {
        sections.extend(SECTIONS);
    }
    Ok((setup, sections))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is no number"))
}

async fn measure(setup: &Setup, sections: &[&'static str]) -> Result<(), Failed> {
    println!("{} messages a round, {} rounds in turn, medians\n", setup.messages, table::ROUNDS);
    table::head();
    for section in sections {
        match *section {
            "drain" => drain::measure(setup).await?,
            "enqueue" => enqueue::measure(setup).await?,
            "pick-up" => pick_up::measure(setup).await?,
            "python" => python::measure(setup).await?,
            "idle" => idle::measure(setup).await?,
            "delayed" => delayed::measure(setup).await?,
            "recovery" => recovery::measure(setup).await?,
            "fleet" => fleet::measure(setup).await?,
            "kills" => {
                let (first, second) = (ground::namespace(), ground::namespace());
                let url = |namespace: &str| format!("{}?namespace={namespace}", setup.url);
                kills::measure(&url(&first), &url(&second), setup.kills.unwrap_or(kills::KILLS)).await?;
                for namespace in [first, second] {
                    tokio::task::block_in_place(|| ground::wipe(&setup.url, &namespace))?;
                }
            }
            _ => unreachable!("only known sections are read"),
        }
    }
    Ok(())
}
