//! The commands that send: one an actor, and those of a program's own.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use jiff::ZonedDateTime;

use super::super::{App, OwnCommand, time};
use crate::actor::{Declaration, Parameter};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::message::Raw;
use crate::store::PRIORITIES;

const DELAY: &str = "delay";
const AT: &str = "at";
const PRIORITY: &str = "priority";
const OPTION: &str = "option";
const TIMES: &str = "times";
/// How many messages one command sends at most.
const MOST_TIMES: i64 = 10_000;

pub(super) fn own(own: &OwnCommand) -> Command {
    Command::new(own.name)
        .about(own.about)
        .after_help("It runs here and not in a worker, and ends by itself.")
        .args(arguments(own.parameters))
}

pub(super) fn sender(actor: &'static Declaration) -> Command {
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

/// Whether a time of day was typed, which a time zone made a point in time.
pub(in crate::cli) fn is_at(given: &ArgMatches) -> bool {
    given.contains_id(AT)
}

/// The calls that the command `actor` asks for: one, or as many alike as it says, each with an id of its own.
pub(in crate::cli) fn calls(app: &App, actor: &str, given: &ArgMatches) -> Vec<Call> {
    let times = given.get_one::<u16>(TIMES).copied().unwrap_or(1);
    (0..times).map(|_| call(app, actor, given)).collect()
}

pub(super) fn call(app: &App, actor: &str, given: &ArgMatches) -> Call {
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
pub(in crate::cli) fn given_arguments(parameters: &[Parameter], given: &ArgMatches) -> Vec<Raw> {
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
