//! What can be typed, as clap's builder says it.
//!
//! One subcommand an actor, made from its declaration: its documentation is the help, each parameter that travels a
//! positional argument that is read by the parameter's own type. The ids of those arguments have a prefix, so that a
//! parameter may be called `delay`.

mod help;
pub(super) mod inspect;
mod sender;
mod worker;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

pub(super) use self::sender::{calls, given_arguments, is_at};
use self::worker::LOG_FILE;
#[cfg(feature = "metrics")]
pub(super) use self::worker::METRICS;
pub(super) use self::worker::{
    CONSUMED, MAX_MEMORY, MAX_MESSAGES, PID_FILE, PREFETCH, PROCESS, PROCESSES, SHUTDOWN_TIMEOUT, SUPERVISED, THREADS,
    WAIT_FOR_BROKER, WATCH,
};
use super::log::LogOptions;
use super::output::LogFile;
use super::{App, Failure, Package, environment, output};
use crate::error::WorkerError;
use crate::url::without_password;

/// The command that runs messages.
pub(super) const WORKER: &str = "worker";
/// The command that runs the demonstration.
pub(super) const DEMO: &str = "demo";
/// The command that prints the notes.
pub(super) const NOTES: &str = "notes";
/// The broker's URL.
pub(super) const BROKER: &str = "broker";
/// Whether to log more.
pub(super) const VERBOSE: &str = "verbose";
/// How the log is written.
const LOG_FORMAT: &str = "log-format";
/// One JSON object a line.
const JSON_LOG: &str = "json";
/// What all commands have goes below what a command has of its own.
const LAST: usize = 900;

/// Checks that every actor can be a command.
pub(super) fn check(app: &App) -> Result<(), Failure> {
    for own in app.commands {
        let actor = app.actors.iter().find(|actor| actor.name == own.name);
        if is_taken(app, own.name) || actor.is_some() {
            let whose =
                actor.map_or_else(|| "the command line's".to_owned(), |actor| format!("the actor's ({})", actor.place));
            return Err(Failure::Usage(format!("the command `{}` is called like {whose}; rename it", own.name)));
        }
    }
    for (index, actor) in app.actors.iter().enumerate() {
        if is_taken(app, actor.name) {
            return Err(Failure::Usage(format!(
                "actor `{0}` ({1}) is called like the command `{0}` of the command line; rename it, or give it a name of its own: \
                 `#[actor(name = \"…\")]`",
                actor.name, actor.place
            )));
        }
        if let Some(first) = app.actors[..index].iter().find(|other| other.name == actor.name) {
            return Err(Failure::from(WorkerError::NameTaken {
                name: actor.name,
                first: first.place,
                second: actor.place,
            }));
        }
    }
    Ok(())
}

/// Whether every program has a command of that name, or this one has, as an experiment.
fn is_taken(app: &App, name: &str) -> bool {
    [WORKER, "help"].contains(&name)
        || inspect::ALL.contains(&name)
        || app.lesson.is_some() && [DEMO, NOTES].contains(&name)
}

/// The whole command line.
pub(super) fn program(app: &App) -> Command {
    let broker = Arg::new(BROKER).long(BROKER).value_name("URL").global(true).display_order(LAST).help(
        match &app.default_broker {
            None => "Where messages wait; else BROKER_URL says where,\nelse a Redis on localhost:6379, else a file"
                .to_owned(),
            Some(url) => {
                format!("Where messages wait; else BROKER_URL says where,\nelse {}", without_password(url))
            }
        },
    );
    let verbose = Arg::new(VERBOSE)
        .long(VERBOSE)
        .short('v')
        .action(ArgAction::SetTrue)
        .global(true)
        .display_order(LAST)
        .help("Logs more, and ids in full");
    let log_format = Arg::new(LOG_FORMAT)
        .long(LOG_FORMAT)
        .value_name("FORMAT")
        .value_parser(["text", JSON_LOG])
        .default_value("text")
        .hide_default_value(true)
        .hide_possible_values(true)
        .global(true)
        .display_order(LAST)
        .help("How the log is written: text, or json (a line each)");
    let log_format = environment::variable(log_format);
    let mut program = Command::new(app.name)
        .about(help::about(app))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args([broker, verbose, log_format]);
    if !app.version.is_empty() {
        program = program.version(app.version);
    }
    if app.actors.is_empty() {
        // There is nothing but to look inside.
        return program.subcommands(inspect::commands().map(|command| command.hide(false)));
    }
    program = program
        .help_template(help::template())
        .after_help(help::examples(app))
        .subcommand(worker::worker(app))
        .subcommands(app.actors.iter().map(|actor| sender::sender(actor)))
        .subcommands(app.commands.iter().map(sender::own));
    if app.lesson.is_some() {
        program = program
            .subcommand(Command::new(DEMO).about("Shows the lesson: all in one process, no broker needed"))
            .subcommand(Command::new(NOTES).about("Prints the notes of this experiment"));
    }
    program.subcommands(inspect::commands())
}

/// Whether these arguments run a worker, before clap has read them.
pub(super) fn is_worker(typed: impl IntoIterator<Item = OsString>) -> bool {
    let with_value = [format!("--{BROKER}"), format!("--{LOG_FORMAT}")];
    let mut typed = typed.into_iter();
    while let Some(word) = typed.next() {
        if with_value.iter().any(|option| word == **option) {
            typed.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return word == WORKER;
        }
    }
    false
}

/// Checks what the environment says of the options of the program, and of its worker.
pub(super) fn check_environment(program: &Command, is_worker: bool) -> Result<(), Failure> {
    environment::check(program)?;
    let worker = program.find_subcommand(WORKER).filter(|_| is_worker);
    worker.map_or(Ok(()), environment::check)
}

/// Prints what clap has to say, and tells the exit code.
pub(super) fn report(error: &clap::Error) -> ExitCode {
    let typed: Vec<_> = env::args_os().skip(1).map(|typed| typed.to_string_lossy().into_owned()).collect();
    match harmless(&error.to_string(), &typed) {
        Some(text) => output::log(&text),
        // A closed pipe is no error of ours.
        None => drop(error.print()),
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// What clap says about words that must not be printed as they were typed: URLs with a password that stand in the wrong
/// place, and signs that command the terminal. None where there are no such words.
fn harmless(said: &str, typed: &[String]) -> Option<String> {
    // Lists and objects are arguments.
    let is_url = |word: &str| word.contains('@') && word.contains(':') && !word.starts_with(['[', '{', '"']);
    if !typed.iter().any(|word| is_url(word) || word.contains(output::is_command)) {
        return None;
    }
    let mut said = said.to_owned();
    for word in typed.iter().filter(|word| is_url(word)) {
        // `--brokre=URL` has a value, too.
        let value = word.split_once('=').map(|(_, value)| value).filter(|value| is_url(value));
        for url in [Some(&**word), value].into_iter().flatten() {
            said = said.replace(url, &without_password(url));
        }
    }
    Some(output::harmless(&said))
}

/// What is watched, and built anew: a package, and the folder that was typed.
pub(super) fn watched<'a>(app: &'a App, given: &'a ArgMatches) -> Option<(&'a Package, &'a Path)> {
    // clap does not know the argument where there is no package.
    let package = app.package.as_ref()?;
    Some((package, given.get_one::<PathBuf>(WATCH)?.as_path()))
}

/// How many processes are to run messages.
pub(super) fn processes(given: &ArgMatches) -> u16 {
    *given.get_one(PROCESSES).expect("it has a default")
}

/// Where this process is to write its id; a child is to write none.
pub(super) fn pid_file(given: &ArgMatches) -> Option<&PathBuf> {
    given.get_one(PID_FILE).filter(|_| !given.get_flag(SUPERVISED))
}

/// How the log is to be.
pub(super) fn log_options(given: &ArgMatches) -> Result<LogOptions, Failure> {
    // Only workers have these.
    let file = given.try_get_one::<PathBuf>(LOG_FILE).ok().flatten();
    let process = given.try_get_one::<u16>(PROCESS).ok().flatten().copied();
    let is_supervisor = given.try_get_one::<u16>(PROCESSES).ok().flatten().is_some_and(|processes| *processes > 1);
    // A supervisor's lines stand in line with those of its workers.
    let process = process.or(is_supervisor.then_some(0));
    let opened = file.map(|path| {
        LogFile::open(path)
            .map_err(|error| Failure::Usage(format!("the log file {} cannot be written: {error}", path.display())))
    });
    let (verbose, json) = (given.get_flag(VERBOSE), wants_json_log(given));
    Ok(LogOptions { verbose, json, file: opened.transpose()?, process, listens: false })
}

/// Whether the log is to be JSON.
pub(super) fn wants_json_log(given: &ArgMatches) -> bool {
    given.get_one::<String>(LOG_FORMAT).is_some_and(|format| format == JSON_LOG)
}

/// Whether a command is an actor's.
pub(super) fn is_actor(app: &App, command: &str) -> bool {
    app.actors.iter().any(|actor| actor.name == command)
}

#[cfg(test)]
mod tests;
