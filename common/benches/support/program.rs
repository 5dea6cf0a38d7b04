//! A program that measures section by section: its arguments, its children, and its end.

use std::process::ExitCode;

use super::{Failed, kills, table};

/// The first argument of a worker in a process of its own.
pub(crate) const WORK: &str = "work";

/// The sections of one store, and what was asked for.
pub(crate) trait Program: Sized {
    const USAGE: &str;

    /// All that can be measured; in this order, where none is named.
    const SECTIONS: &[&str];

    /// What is measured where nothing else is asked for.
    fn new() -> Self;

    /// Takes an argument that is no section, with its value where it has one; `false` where there is no such argument.
    fn take(&mut self, argument: &str, value: impl FnMut() -> Result<String, String>) -> Result<bool, String>;

    /// Says what is missing for these sections.
    fn check(&self, _sections: &[&str]) -> Result<(), String> {
        Ok(())
    }

    /// What stands above the table.
    fn heading(&self) -> String;

    /// Measures one of the sections.
    async fn measure(&self, section: &str) -> Result<(), Failed>;

    /// What a worker in a process of its own does, with the arguments that [`Child::start`](super::child::Child::start) was given.
    async fn work(arguments: &[String]) -> Result<(), Failed>;
}

/// All that a program does.
pub(crate) fn main<P: Program>() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.as_slice() {
        [command, arguments @ ..] if command == WORK => return ended(runtime.block_on(P::work(arguments))),
        [command, url] if command == kills::WORK => return ended(runtime.block_on(kills::work(url))),
        _ => {}
    }
    match read::<P>(arguments) {
        Ok((program, sections)) => ended(runtime.block_on(measure(&program, &sections))),
        Err(mistake) => {
            eprintln!("{mistake}\n{}\nsections: {}", P::USAGE, P::SECTIONS.join(", "));
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
fn read<P: Program>(arguments: Vec<String>) -> Result<(P, Vec<&'static str>), String> {
    let (mut program, mut sections) = (P::new(), Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if let Some(section) = P::SECTIONS.iter().copied().find(|section| *section == argument) {
            sections.push(section);
        } else if !program.take(&argument, || arguments.next().ok_or_else(|| format!("{argument} needs a value")))? {
            return Err(format!("what is {argument}?"));
        }
    }
    program.check(&sections)?;
    if sections.is_empty() {
        sections.extend(P::SECTIONS);
    }
    Ok((program, sections))
}

/// A number of things, of which there is at least one.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is no number"))
}

async fn measure<P: Program>(program: &P, sections: &[&str]) -> Result<(), Failed> {
    println!("{}\n", program.heading());
    table::head();
    for section in sections {
        program.measure(section).await?;
    }
    Ok(())
}
