use std::time::Duration;

use super::help::about;
use super::sender::call;
use super::*;
use crate::actor::{Declaration, Entry, Parameter};
use crate::cli::{Lesson, OwnCommand, Step};
use crate::clock::Timestamp;
use crate::message::{Message, Raw};
use crate::outcome::Outcome;

const fn actor(name: &'static str, parameters: &'static [Parameter]) -> Declaration {
    let plain = Declaration::plain(name, Entry::Sync(|_| Outcome::Value(Raw::NULL)));
    Declaration { parameters, place: "src/main.rs:1", ..plain }
}

static PAIR: [Parameter; 2] =
    [Parameter::of::<i32>("delay", "i32"), Parameter::of::<Option<Vec<u32>>>("list", "Option<Vec<u32>>")];
static PRICE: [Parameter; 2] =
    [Parameter::of::<u32>("cents", "u32"), Parameter::of::<String>("currency", "String").with_default("\"EUR\"")];
static NUMBER: [Parameter; 1] = [Parameter::of::<u32>("n", "u32")];
static ADD: Declaration = actor("add", &PAIR);
static PAY: Declaration = actor("pay", &PRICE);
static HANDLED: Declaration = actor("handled", &NUMBER);
static WORKER_ACTOR: Declaration = actor("worker", &[]);
static LIKE_A_COMMAND: [&Declaration; 1] = [&WORKER_ACTOR];
static TWICE: [&Declaration; 2] = [&ADD, &ADD];

/// An experiment without actors, and one with some.
fn bare() -> App {
    let demo = &[Step { command: "handled 3", after: "" }];
    App::new("e99_test").lesson(Lesson { notes: "====\nA title\n====\n\nText.\n", demo })
}

fn experiment() -> App {
    bare().actors(&[&ADD, &PAY, &HANDLED])
}

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn sent(line: &str) -> Result<Message, String> {
    let words = std::iter::once("e99_test").chain(line.split(' '));
    let matches = program(&experiment()).try_get_matches_from(words).map_err(|error| error.to_string())?;
    let (actor, given) = matches.subcommand().unwrap();
    Ok(call(&experiment(), actor, given).message(NOW).unwrap())
}

fn refused(line: &str) -> String {
    sent(line).unwrap_err().lines().next().unwrap().to_owned()
}

#[test]
fn a_sender_sends_as_many_alike_as_it_is_told() {
    let ids = |line: &str| {
        let words = std::iter::once("e99_test").chain(line.split(' '));
        let matches = program(&experiment()).try_get_matches_from(words).unwrap();
        let (actor, given) = matches.subcommand().unwrap();
        let calls = calls(&experiment(), actor, given);
        calls.iter().map(|call| call.id().to_string()).collect::<std::collections::HashSet<_>>()
    };
    assert_eq!(ids("handled 3").len(), 1);
    assert_eq!(ids("handled 3 --times 5").len(), 5);
    for wrong in ["handled 3 --times 0", "handled 3 --times 10001"] {
        let error = refused(wrong);
        assert!(error.contains("is not in 1..=10000"), "{error}");
    }
}

#[test]
fn a_sender_sets_priority_and_any_option() {
    let message = sent("handled 3 --priority -5 --option max_retries=0 --option tenant=\"ada\"").unwrap();
    let option = |name: &str| message.options.get(name).map(ToString::to_string);
    assert_eq!(
        ["priority", "max_retries", "tenant"].map(option),
        ["-5", "0", "\"ada\""].map(|json| Some(json.to_owned()))
    );
    for (wrong, said) in [
        ("handled 3 --option max_retries", "an option is NAME=JSON"),
        ("handled 3 --option =1", "an option is NAME=JSON"),
        ("handled 3 --option tenant=ada", "`ada` is no JSON; a text stands in quotes"),
        ("handled 3 --priority 5000", "5000 is not in -4000..=4000"),
    ] {
        let error = sent(wrong).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn the_commands_hold_together() {
    program(&experiment()).debug_assert();
    assert!(check(&experiment()).is_ok());
    assert_eq!(about(&experiment()), "A title");
}

#[test]
fn a_workers_queues_are_told_at_once_or_one_by_one() {
    let queues = |line: &str| -> Option<Vec<String>> {
        let matches = program(&experiment()).try_get_matches_from(line.split(' ')).unwrap();
        let (_, given) = matches.subcommand().unwrap();
        given.get_many::<String>(CONSUMED).map(|names| names.cloned().collect())
    };
    let all = ["high", "default", "low"].map(str::to_owned);
    for line in
        ["--queues high,default,low", "--queues high --queues default,low", "--queues=high,default --queues=low"]
    {
        assert_eq!(queues(&format!("e99_test worker {line}")).as_deref(), Some(&all[..]), "{line}");
    }
    assert_eq!(queues("e99_test worker"), None);
}

#[test]
fn what_is_typed_becomes_a_message() {
    assert_eq!(sent("add 1 [2,3]").unwrap().to_string(), "add(1, [2,3])");
    assert_eq!(sent("add -1").unwrap().to_string(), "add(-1)");
    assert_eq!(sent("handled 17").unwrap().eta(NOW), None);
    assert_eq!(sent("handled 17 --delay 5s").unwrap().eta(NOW), Some(NOW + Duration::from_secs(5)));
    let at = sent("handled 17 --at 2030-01-31T12:00:05Z").unwrap().eta(NOW);
    assert_eq!(at, Some(Timestamp::from_millis(1_896_091_205_000)));
    // A parameter may be called like an option.
    let message = sent("add 7 --delay 5s").unwrap();
    assert_eq!((message.to_string().as_str(), message.eta(NOW)), ("add(7)", Some(NOW + Duration::from_secs(5))));
}

#[test]
fn what_has_a_default_may_be_left_out_and_help_tells_it() {
    assert_eq!(sent("pay 3").unwrap().to_string(), "pay(3)");
    assert_eq!(sent("pay 3 CHF").unwrap().to_string(), "pay(3, \"CHF\")");
    let help = sent("pay --help").unwrap_err();
    assert!(help.contains("[currency: String = \"EUR\"]  May be left out"), "{help}");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_sent() {
    for (line, reason) in [
        (
            "handled seventeen",
            r#"error: invalid value 'seventeen' for '<n: u32>': invalid type: string "seventeen", expected u32"#,
        ),
        ("handled -1", "error: invalid value '-1' for '<n: u32>': invalid value: integer `-1`, expected u32"),
        (
            "handled 1 --delay 5",
            "error: invalid value '5' for '--delay <TIME>': a time is a number and a unit: `500ms`, `15s`, `2m`, `1h`, `7d`",
        ),
        ("handled 1 --delay 5s --at 12:00", "error: the argument '--delay <TIME>' cannot be used with '--at <TIME>'"),
        ("handled", "error: the following required arguments were not provided:"),
        ("handled 1 2", "error: unexpected argument '2' found"),
        ("unknown", "error: unrecognized subcommand 'unknown'"),
    ] {
        assert_eq!(refused(line), reason, "{line}");
    }
}

#[test]
fn an_actor_that_cannot_be_a_command_is_refused_at_start() {
    let refused = |actors: &'static [&'static Declaration]| {
        let app = bare().actors(actors);
        check(&app).unwrap_err().to_string()
    };
    assert!(refused(&LIKE_A_COMMAND).starts_with(
        "actor `worker` (src/main.rs:1) is called like the command `worker` of the command line; rename it, or"
    ));
    assert!(refused(&TWICE).starts_with("two actors are called `add`"));
}

#[test]
fn a_worker_is_known_before_anything_is_read() {
    let is = |line: &str| is_worker(line.split(' ').map(OsString::from));
    for line in ["worker", "-v worker", "--broker worker worker --threads 2", "--log-format=json worker"] {
        assert!(is(line), "{line}");
    }
    for line in ["handled 17", "add worker", "--broker worker", "demo", "", "--broker=x handled worker"] {
        assert!(!is(line), "{line}");
    }
}

#[test]
fn what_is_typed_in_the_wrong_place_shows_no_password() {
    let url = "redis://me:se=cr?et@host/2";
    for words in [
        &["handled", url][..],
        &[url],
        &["handled", "1", url],
        &["worker", "--threads", url],
        &["worker", &format!("--threads={url}")],
        &["handled", "1", &format!("--brokre={url}")],
        &["handled", "1", "--at", url],
        &["queues", "--broker", url, "--log-format", url],
    ] {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let all = std::iter::once("e99_test".to_owned()).chain(words.clone());
        let error = program(&experiment()).try_get_matches_from(all).unwrap_err();
        let said = harmless(&error.to_string(), &words).unwrap();
        assert!(!said.contains("cr?et") && said.starts_with("error: "), "{said}");
    }
    let typed = ["handled".to_owned(), "\u{1b}[31m17".to_owned()];
    let said = harmless("invalid value '\u{1b}[31m17'\n", &typed).unwrap();
    assert_eq!(said, "invalid value '\\u{1b}[31m17'\n");
    assert_eq!(harmless("unexpected argument '2' found", &["handled".to_owned(), "2".to_owned()]), None);
}

const fn own(name: &'static str) -> OwnCommand {
    OwnCommand { name, about: "", parameters: &NUMBER, run: |_, _| Box::pin(async { Ok(()) }) }
}

static OWN: [OwnCommand; 1] = [own("ask")];
static LIKE_THE_LABS: [OwnCommand; 1] = [own("result")];
static LIKE_AN_ACTOR: [OwnCommand; 1] = [own("add")];

#[test]
fn a_command_of_its_own_reads_what_is_typed_and_has_a_name_of_its_own() {
    let app = experiment().commands(&OWN);
    assert!(check(&app).is_ok());
    let typed = |line: &str| program(&app).try_get_matches_from(line.split(' '));
    let matches = typed("e99_test ask 8").unwrap();
    let (name, given) = matches.subcommand().unwrap();
    assert_eq!((name, given_arguments(&NUMBER, given)), ("ask", vec![Raw::from(8_u32)]));
    assert!(typed("e99_test ask eight").is_err() && typed("e99_test ask").is_err());
    for (commands, whose) in [(&LIKE_THE_LABS, "the command line's"), (&LIKE_AN_ACTOR, "the actor's (src/main.rs:1)")] {
        let refused = check(&experiment().commands(commands)).unwrap_err().to_string();
        let name = commands[0].name;
        assert_eq!(refused, format!("the command `{name}` is called like {whose}; rename it"));
    }
}
