//! What can be typed, as clap's builder says it.
//!
//! One subcommand an actor, made from its declaration: its documentation is the help, each parameter that travels a
//! positional argument that is read by the parameter's own type. The ids of those arguments have a prefix, so that a
//! parameter may be called `delay`.

pub(super) mod inspect;
mod worker;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::Styles;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::ZonedDateTime;

use self::worker::LOG_FILE;
#[cfg(feature = "metrics")]
pub(super) use self::worker::METRICS;
pub(super) use self::worker::{
    CONSUMED, MAX_MEMORY, MAX_MESSAGES, PID_FILE, PREFETCH, PROCESS, PROCESSES, SHUTDOWN_TIMEOUT, SUPERVISED, THREADS,
    WAIT_FOR_BROKER, WATCH,
};
use super::log::LogOptions;
use super::output::LogFile;
use super::{App, Failure, OwnCommand, Package, environment, output, time};
use crate::actor::{Declaration, Parameter};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::error::WorkerError;
use crate::message::Raw;
use crate::store::PRIORITIES;
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

const DELAY: &str = "delay";
const AT: &str = "at";
const PRIORITY: &str = "priority";
const OPTION: &str = "option";
const TIMES: &str = "times";
/// How many messages one command sends at most.
const MOST_TIMES: i64 = 10_000;

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
        .about(about(app))
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
        .help_template(template())
        .after_help(examples(app))
        .subcommand(worker::worker(app))
        .subcommands(app.actors.iter().map(|actor| sender(actor)))
        .subcommands(app.commands.iter().map(own));
    if app.lesson.is_some() {
        program = program
            .subcommand(Command::new(DEMO).about("Shows the lesson: all in one process, no broker needed"))
            .subcommand(Command::new(NOTES).about("Prints the notes of this experiment"));
    }
    program.subcommands(inspect::commands())
}

/// How help is laid out: as clap does it, with the commands that look inside apart from the others.
fn template() -> String {
    let styles = Styles::styled();
    let (head, literal) = (styles.get_header(), styles.get_literal());
    let inspecting = inspect::commands();
    let width = inspecting.iter().map(|command| command.get_name().len()).max().unwrap_or(0);
    let line = |command: &Command| {
        let (name, about) = (command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default());
        format!("  {literal}{name}{literal:#}{:gap$}{about}\n", "", gap = width - name.len() + 2)
    };
    let lines = inspecting.iter().map(line).collect::<Vec<_>>().concat();
    format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n\
         {head}Commands:{head:#}\n{{subcommands}}\n\n\
         {head}To look inside, while workers run:{head:#}\n{lines}\n\
         {head}Options:{head:#}\n{{options}}{{after-help}}"
    )
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

/// Whether a time of day was typed, which a time zone made a point in time.
pub(super) fn is_at(given: &ArgMatches) -> bool {
    given.contains_id(AT)
}

/// The calls that the command `actor` asks for: one, or as many alike as it says, each with an id of its own.
pub(super) fn calls(app: &App, actor: &str, given: &ArgMatches) -> Vec<Call> {
    let times = given.get_one::<u16>(TIMES).copied().unwrap_or(1);
    (0..times).map(|_| call(app, actor, given)).collect()
}

fn call(app: &App, actor: &str, given: &ArgMatches) -> Call {
    let declaration = app
        .actors
        .iter()
        .find(|declaration| declaration.name == actor)
        .expect("clap accepts the commands of actors only");
    let arguments: Vec<_> = given_arguments(declaration.parameters, given).into_iter().map(Ok).collect();
    let mut call = Call::new(declaration, arguments);
    if let Some(priority) = given.get_one::<i32>(PRIORITY) {
        call = call.priority(*priority);
    }
    for (name, value) in given.get_many::<(String, Raw)>(OPTION).into_iter().flatten() {
        call = call.option(name, value.clone());
    }
    match (given.get_one::<Duration>(DELAY), given.get_one::<Timestamp>(AT)) {
        (Some(delay), _) => call.delay(*delay),
        (None, Some(at)) => call.at(*at),
        (None, None) => call,
    }
}

/// What was typed for these parameters, as far as it was.
pub(super) fn given_arguments(parameters: &[Parameter], given: &ArgMatches) -> Vec<Raw> {
    parameters.iter().map_while(|parameter| given.get_one::<Raw>(&id(parameter)).cloned()).collect()
}

/// An argument a parameter, read by its type.
fn arguments(parameters: &'static [Parameter]) -> impl Iterator<Item = Arg> {
    // Only the last parameters can be left out.
    let required = parameters.iter().rposition(|parameter| !parameter.may_be_absent()).map_or(0, |last| last + 1);
    parameters.iter().enumerate().map(move |(index, parameter)| {
        let parameter = *parameter;
        Arg::new(id(&parameter))
            .value_name(format!("{parameter:?}"))
            .required(index < required)
            .allow_negative_numbers(true)
            .help(if index < required { "" } else { "May be left out" })
            .value_parser(move |text: &str| parse(&parameter, text))
    })
}

fn own(own: &OwnCommand) -> Command {
    Command::new(own.name)
        .about(own.about)
        .after_help("It runs here and not in a worker, and ends by itself.")
        .args(arguments(own.parameters))
}

fn sender(actor: &'static Declaration) -> Command {
    let signature = signature(actor);
    let (lowest, highest) = (i64::from(*PRIORITIES.start()), i64::from(*PRIORITIES.end()));
    let about = if actor.about.is_empty() {
        format!("Sends {signature}")
    } else {
        // A sentence in the documentation, a line in a list here.
        actor.about.strip_suffix('.').unwrap_or(actor.about).to_owned()
    };
    Command::new(actor.name)
        .about(about)
        .after_help(format!(
            "Sends {signature} to queue {} and prints the message's id. A worker runs it.",
            actor.queue
        ))
        .args(arguments(actor.parameters))
        .arg(
            Arg::new(DELAY)
                .long(DELAY)
                .value_name("TIME")
                .value_parser(time::duration)
                .conflicts_with(AT)
                .help("Not before so much time has passed: 500ms, 15s, 2m, 1h, 7d"),
        )
        .arg(
            Arg::new(AT)
                .long(AT)
                .value_name("TIME")
                .value_parser(|text: &str| time::point(text, &ZonedDateTime::now()))
                .help("Not before this time: 12:00:05 (the next one, local time, as TZ or this machine has it), or\n2030-01-31T12:00:05+01:00"),
        )
        .arg(
            Arg::new(PRIORITY)
                .long(PRIORITY)
                .value_name("N")
                .value_parser(value_parser!(i32).range(lowest..=highest))
                .allow_negative_numbers(true)
                .help("Among ready messages, lower runs first"),
        )
        .arg(
            Arg::new(TIMES)
                .long(TIMES)
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=MOST_TIMES))
                .help("Sends so many of it, as one batch"),
        )
        .arg(
            Arg::new(OPTION)
                .long(OPTION)
                .value_name("NAME=JSON")
                .action(ArgAction::Append)
                .value_parser(option)
                .help("Sets an option of the message: max_retries=0, on_success='\"other\"'"),
        )
}

/// Reads `NAME=JSON`.
fn option(text: &str) -> Result<(String, Raw), String> {
    let form = || "an option is NAME=JSON: max_retries=0, on_success='\"other\"'".to_owned();
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(form)?;
    let value =
        Raw::parse(value).ok_or_else(|| format!("`{value}` is no JSON; a text stands in quotes: '\"{value}\"'"))?;
    Ok((name.to_owned(), value))
}

/// Reads an argument by its type. Where in the text an error is, matters for lists and objects only.
fn parse(parameter: &Parameter, text: &str) -> Result<Raw, String> {
    parameter.parse(text).map_err(|error| match error.rsplit_once(" at line ") {
        Some((error, _)) if !text.starts_with(['[', '{']) => error.to_owned(),
        _ => error,
    })
}

/// The id of an actor's argument: no option of ours has a colon in it.
fn id(parameter: &Parameter) -> String {
    format!("argument:{}", parameter.name)
}

fn signature(actor: &Declaration) -> String {
    let parameters: Vec<_> = actor.parameters.iter().map(|parameter| format!("{parameter:?}")).collect();
    format!("{}({})", actor.name, parameters.join(", "))
}

/// The package's description; else the title of its notes.
fn about(app: &App) -> String {
    let is_text = |line: &&str| line.chars().any(char::is_alphanumeric);
    let title = app.lesson.as_ref().and_then(|lesson| lesson.notes.lines().map(str::trim).find(is_text));
    let description = Some(app.about).filter(|text| !text.is_empty());
    description.or(title).unwrap_or(app.name).to_owned()
}

fn examples(app: &App) -> String {
    let Some(lesson) = &app.lesson else { return String::new() };
    let mut lines = vec![("demo".to_owned(), "the lesson"), ("worker --watch .".to_owned(), "one terminal")];
    let mut sent = lesson.demo.iter().map(|step| step.command);
    if let Some(first) = sent.next() {
        lines.push((first.to_owned(), "another terminal"));
    }
    if let Some(delayed) = sent.clone().find(|command| command.contains("--")).or_else(|| sent.next()) {
        lines.push((delayed.to_owned(), "sends another one"));
    }
    let width = lines.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let mut text = "Examples:".to_owned();
    for (command, meaning) in lines {
        let line = format!("\n  {} {command:width$}  {meaning}", app.call());
        text.push_str(line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests;
