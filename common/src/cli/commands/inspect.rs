//! The commands that look inside, and move by hand.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::super::time;
use crate::broker::DEPTH;
use crate::queue_name::QueueName;

pub(in crate::cli) const QUEUES: &str = "queues";
pub(in crate::cli) const SHOW: &str = "show";
pub(in crate::cli) const RESULT: &str = "result";
pub(in crate::cli) const DEAD: &str = "dead";
pub(in crate::cli) const CANCEL: &str = "cancel";
pub(in crate::cli) const PAUSE: &str = "pause";
pub(in crate::cli) const RESUME: &str = "resume";
pub(in crate::cli) const PURGE: &str = "purge";

pub(in crate::cli) const LIST: &str = "list";
pub(in crate::cli) const REQUEUE: &str = "requeue";
pub(in crate::cli) const DELETE: &str = "delete";

/// All of them.
pub(in crate::cli) const ALL: [&str; 8] = [QUEUES, SHOW, RESULT, DEAD, CANCEL, PAUSE, RESUME, PURGE];

pub(in crate::cli) const JSON: &str = "json";
const ID: &str = "id";
const DEEP: &str = "deep";
const QUEUE: &str = "queue";
const ACTOR: &str = "actor";
const REASON: &str = "reason";
const SINCE: &str = "since";
const LIMIT: &str = "limit";
const EVERY: &str = "all";
const YES: &str = "yes";

/// More than any queue holds.
const EVERYTHING: usize = u32::MAX as usize;

pub(super) fn commands() -> [Command; 8] {
    let json = || Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Prints one JSON document");
    let id = || {
        Arg::new(ID)
            .value_name("ID")
            .required(true)
            .value_parser(NonEmptyStringValueParser::new())
            .help("A message's id, or its first characters")
    };
    let deep = || {
        Arg::new(DEEP)
            .long(DEEP)
            .action(ArgAction::SetTrue)
            .help("Looks into every message: Python's retries have other names")
    };
    let queue = || Arg::new(QUEUE).value_name("QUEUE").required(true).value_parser(plain_queue);
    let yes = || Arg::new(YES).long(YES).short('y').action(ArgAction::SetTrue).help("Does not ask");
    let limit = |default: &'static str| {
        Arg::new(LIMIT)
            .long(LIMIT)
            .value_name("N")
            .value_parser(value_parser!(u32).range(1..))
            .default_value(default)
            .help("How many at most")
    };
    // Help lists them under a heading of their own.
    let command = |name: &'static str, about: &'static str| Command::new(name).about(about).hide(true).arg(json());
    [
        command(QUEUES, "Shows queues, workers, and what these hold").arg(limit("100")),
        command(SHOW, "Shows where a message is, and why it waits").args([id(), deep()]),
        command(RESULT, "Shows what is kept of what an actor returned")
            .args([id().help("A message's whole id; its first characters are enough until it has ended"), deep()]),
        dead(&json, &id, &deep, &limit, &yes),
        command(CANCEL, "Cancels a message, waiting or running").args([id(), deep()]),
        command(PAUSE, "Lets nothing more be fetched from a queue").arg(queue()),
        command(RESUME, "Lets messages be fetched from a queue again").arg(queue()),
        command(PURGE, "Deletes what waits in a queue; asks first").args([queue(), yes()]),
    ]
}

/// A queue by its own name: who writes that of its dead letters does not mean what waits beside them.
fn plain_queue(text: &str) -> Result<QueueName, String> {
    let queue = QueueName::new(text).map_err(|error| error.to_string())?;
    if queue.as_str() == text {
        return Ok(queue);
    }
    Err(format!(
        "that is a part of queue {queue}; `dead` works on dead letters, everything else on queue {queue} as a whole"
    ))
}

fn dead(
    json: &dyn Fn() -> Arg,
    id: &dyn Fn() -> Arg,
    deep: &dyn Fn() -> Arg,
    limit: &dyn Fn(&'static str) -> Arg,
    yes: &dyn Fn() -> Arg,
) -> Command {
    let filters = || {
        [
            Arg::new(QUEUE)
                .long(QUEUE)
                .value_name("QUEUE")
                .value_parser(|text: &str| QueueName::new(text))
                .help("Only those of this queue"),
            Arg::new(ACTOR).long(ACTOR).value_name("NAME").help("Only those of this actor"),
            Arg::new(REASON).long(REASON).value_name("TEXT").help("Only those whose reason contains this"),
            Arg::new(SINCE)
                .long(SINCE)
                .value_name("TIME")
                .value_parser(time::duration)
                .help("Only those that died so recently: 10m, 1h"),
        ]
    };
    let ids = || {
        Arg::new(ID)
            .value_name("ID")
            .num_args(1..)
            .value_parser(NonEmptyStringValueParser::new())
            .required_unless_present(EVERY)
            .conflicts_with_all([EVERY, QUEUE, ACTOR, REASON, SINCE])
            .help("Ids, or their first characters")
    };
    let every = || Arg::new(EVERY).long(EVERY).action(ArgAction::SetTrue).help("All that the filters let through");
    Command::new(DEAD)
        .about("Lists, shows, sends again or deletes dead letters")
        .hide(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new(LIST)
                .about("Lists the latest dead letters, the newest last")
                .args([json(), limit("50")])
                .args(filters()),
            Command::new(SHOW).about("Shows all that is known of one").args([json(), id(), deep()]),
            Command::new(REQUEUE)
                .about("Sends them once more: the same id, and no retries yet")
                .args([json(), ids(), deep(), every()])
                .args(filters()),
            Command::new(DELETE)
                .about("Deletes them for good; --all asks first")
                .args([json(), ids(), deep(), every(), yes()])
                .args(filters()),
        ])
}

/// What was typed.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Given<'a>(pub(in crate::cli) &'a ArgMatches);

impl<'a> Given<'a> {
    pub(in crate::cli) fn json(self) -> bool {
        self.0.get_flag(JSON)
    }

    pub(in crate::cli) fn id(self) -> &'a str {
        self.0.get_one::<String>(ID).expect("it is required")
    }

    pub(in crate::cli) fn ids(self) -> impl Iterator<Item = &'a str> {
        self.0.get_many::<String>(ID).into_iter().flatten().map(String::as_str)
    }

    /// Bodies to look into.
    pub(in crate::cli) fn depth(self) -> usize {
        if self.is_deep() { EVERYTHING } else { DEPTH }
    }

    pub(in crate::cli) fn is_deep(self) -> bool {
        self.0.get_flag(DEEP)
    }

    pub(in crate::cli) fn queue(self) -> Option<&'a QueueName> {
        self.0.get_one(QUEUE)
    }

    pub(in crate::cli) fn actor(self) -> Option<&'a str> {
        self.0.get_one::<String>(ACTOR).map(String::as_str)
    }

    pub(in crate::cli) fn reason(self) -> Option<&'a str> {
        self.0.get_one::<String>(REASON).map(String::as_str)
    }

    pub(in crate::cli) fn since(self) -> Option<Duration> {
        self.0.get_one(SINCE).copied()
    }

    pub(in crate::cli) fn limit(self) -> usize {
        *self.0.get_one::<u32>(LIMIT).expect("it has a default") as usize
    }

    pub(in crate::cli) fn every(self) -> bool {
        self.0.get_flag(EVERY)
    }

    pub(in crate::cli) fn yes(self) -> bool {
        self.0.get_flag(YES)
    }
}
