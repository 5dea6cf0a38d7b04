//! What `#[actor]` makes of a function, run as a worker runs it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod by_name;
mod defaults;
mod options;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use common::actor;
use common::actor::{Actor, Cancellation, Context, Entry, States};
use common::clock::Timestamp;
use common::message::{Message, Raw};
use common::outcome::{Failure, Outcome, Retry};
use serde::{Deserialize, Serialize};

/// Runs `A` with these arguments and states, after so many retries.
async fn run_with<A: Actor>(args: &str, states: States, retries: u32) -> Outcome {
    run_message::<A>(&format!(r#""args":{args},"kwargs":{{}},"options":{{"retries":{retries}}}"#), states).await
}

/// Runs `A` with a message of these entries.
async fn run_message<A: Actor>(entries: &str, states: States) -> Outcome {
    let body = format!(r#"{{"queue_name":"q","actor_name":"a",{entries}}}"#);
    let message = Message::decode(body.as_bytes(), Timestamp::EPOCH).unwrap();
    let context = Context::new(Arc::new(message), Arc::new(states), Cancellation::default());
    match A::DECLARATION.entry {
        Entry::Sync(run) => run(&context),
        Entry::Async(run) => run(context).await,
        Entry::Remote => panic!("it runs elsewhere"),
    }
}

async fn run<A: Actor>(args: &str) -> Outcome {
    run_with::<A>(args, States::default(), 0).await
}

fn value<T: Serialize + 'static>(value: T) -> Outcome {
    Outcome::Value(Raw::encode(&value).unwrap())
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?} is no failure"),
    }
}

#[actor]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[actor]
fn do_nothing() {}

#[actor]
async fn join(words: Vec<String>, mut separator: Option<String>) -> String {
    words.join(&separator.take().unwrap_or_default())
}

#[derive(Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Serialize, Deserialize)]
enum Axis {
    X,
    Y,
}

#[actor]
fn project(point: Point, axis: Axis) -> i32 {
    match axis {
        Axis::X => point.x,
        Axis::Y => point.y,
    }
}

#[derive(Serialize)]
struct Report(u8);

impl Report {
    /// A method as the attribute's own dispatch might have one.
    fn kind(&self) -> u8 {
        self.0
    }
}

#[actor]
fn report() -> Report {
    let report = Report(1);
    _ = report.kind();
    report
}

#[tokio::test]
async fn parameters_keep_their_types() {
    assert_eq!(run::<add>("[1, 2]").await, value(3));
    assert_eq!(run::<do_nothing>("[]").await, Outcome::Value(Raw::NULL));
    assert_eq!(run::<join>(r#"[["a", "b"], "-"]"#).await, value("a-b"));
    assert_eq!(run::<join>(r#"[["a", "b"]]"#).await, value("ab"));
    assert_eq!(run::<report>("[]").await, value(1));
    assert_eq!(run::<project>(r#"[{"x": 1, "y": 2}, "Y"]"#).await, value(2));
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused() {
    assert_eq!(
        run::<add>("[1]").await,
        Outcome::Rejected("argument `b` is missing; it takes (a: u32, b: u32)".to_owned())
    );
    assert_eq!(run::<do_nothing>("[1]").await, Outcome::Rejected("1 arguments given, but it takes none".to_owned()));
    assert!(matches!(run::<join>("[1]").await, Outcome::Rejected(_)));
}

#[test]
fn the_function_stays_a_function() {
    assert_eq!(add(1, 2), 3);
    do_nothing();
}

struct Counter(u32);

#[actor]
fn count(first: u32, counter: &Counter, context: &Context, second: u32) -> u32 {
    first + counter.0 + context.attempt() + second
}

#[actor]
async fn count_later(counter: &'_ Counter, arc: &Arc<u8>, context: &Context) -> u32 {
    tokio::task::yield_now().await;
    counter.0 + u32::from(**arc) + context.attempt()
}

#[tokio::test]
async fn references_are_lent() {
    let mut states = States::default();
    states.add(Counter(10)).unwrap();
    assert_eq!(run_with::<count>("[100, 1000]", states, 2).await, value(1113));

    let mut states = States::default();
    states.add(Counter(10)).unwrap();
    states.add(Arc::new(5_u8)).unwrap();
    assert_eq!(run_with::<count_later>("[]", states, 0).await, value(16));
}

#[test]
fn what_is_lent_is_declared() {
    assert_eq!(format!("{:?}", count::DECLARATION.parameters), "[first: u32, second: u32]");
    assert_eq!(count::DECLARATION.states.len(), 2);
    assert!(matches!(count::DECLARATION.entry, Entry::Sync(_)));
    assert!(matches!(count_later::DECLARATION.entry, Entry::Async(_)));
}

#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("bounced: {0}")]
    Bounced(u32),
    #[error("busy")]
    Busy(#[from] Retry),
    #[error("down")]
    Down,
}

type Answer<T> = Result<T, MailError>;

#[actor(throws = MailError::Bounced(1..=3) | MailError::Down)]
async fn mail(kind: u32) -> Answer<()> {
    match kind {
        0 => Ok(()),
        9 => Err(MailError::Down),
        10 => Err(MailError::Busy(Retry::after(Duration::from_secs(1)))),
        kind => Err(MailError::Bounced(kind)),
    }
}

#[tokio::test]
async fn an_error_behind_an_alias_is_a_failure() {
    assert_eq!(run::<mail>("[0]").await, Outcome::Value(Raw::NULL));
    let failure = failure(run::<mail>("[4]").await);
    assert_eq!(failure.text, "bounced: 4");
    assert_eq!(failure.retry_when, None);
}

#[tokio::test]
async fn what_throws_matches_is_expected() {
    for (kind, expected) in [(1, true), (3, true), (4, false), (9, true), (10, false)] {
        let failure = failure(run::<mail>(&format!("[{kind}]")).await);
        assert_eq!(failure.expected, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_retry_inside_of_an_error_is_found() {
    let failure = failure(run::<mail>("[10]").await);
    assert_eq!(failure.retry_requested, Some(Retry::after(Duration::from_secs(1))));
}

fn is_temporary(retries: u32, error: &String) -> bool {
    retries < 3 && error == "slow"
}

#[actor(retry_when = is_temporary)]
fn fetch(text: String) -> Result<(), String> {
    Err(text)
}

#[actor(retry_when = |retries, error| retries < 3 && matches!(error, MailError::Down), max_retries = 7)]
fn fetch_mail() -> Result<u8, MailError> {
    Err(MailError::Down)
}

#[actor]
fn fail(text: String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err(text.into())
}

#[tokio::test]
async fn retry_when_decides() {
    for (args, retries, again) in [(r#"["slow"]"#, 0, true), (r#"["slow"]"#, 3, false), (r#"["gone"]"#, 0, false)] {
        let outcome = run_with::<fetch>(args, States::default(), retries).await;
        assert_eq!(failure(outcome).retry_when, Some(again), "{args}, {retries}");
    }
    for (retries, again) in [(2, true), (3, false)] {
        let outcome = run_with::<fetch_mail>("[]", States::default(), retries).await;
        assert_eq!(failure(outcome).retry_when, Some(again), "{retries}");
    }
    assert_eq!(failure(run::<fail>(r#"["no"]"#).await).text, "no");
}

#[actor]
fn r#type(r#fn: u8, _unused: u8) -> u8 {
    r#fn
}

#[tokio::test]
async fn raw_names_travel_without_their_prefix() {
    assert_eq!(r#type::DECLARATION.name, "type");
    assert_eq!(r#type::DECLARATION.parameters[0].name, "fn");
    assert_eq!(run::<r#type>("[7, 8]").await, value(7));
}

#[actor]
#[expect(clippy::too_many_arguments, reason = "each could be mistaken for a name of the attribute's own")]
fn shadow(broker: u8, args: u8, scope: u8, context: u8, arguments: u8, encoded: u8, argument_0: u8, error: u8) -> u8 {
    broker + args + scope + context + arguments + encoded + argument_0 + error
}

// An actor may also be called like anything that the attribute uses.
#[actor]
fn run_it(returned: u8) -> u8 {
    returned
}

#[actor]
fn message(message: u8) -> u8 {
    message
}

#[tokio::test]
async fn a_parameter_may_have_any_name() {
    assert_eq!(run::<shadow>("[1, 1, 1, 1, 1, 1, 1, 1]").await, value(8));
    assert_eq!(run::<run_it>("[1]").await, value(1));
    assert_eq!(run::<message>("[1]").await, value(1));
    drop(shadow::message(1, 2, 3, 4, 5, 6, 7, 8));
    drop(message::message(1));
}

macro_rules! actors_of {
    ($($name:ident: $type:ty),*) => {
        $(
            #[actor]
            fn $name(value: $type, counter: &Counter) -> $type {
                _ = counter;
                value
            }
        )*
    };
}

actors_of!(same_text: String, same_numbers: Vec<u8>);

#[tokio::test]
async fn macros_may_write_actors() {
    let mut states = States::default();
    states.add(Counter(0)).unwrap();
    assert_eq!(run_with::<same_text>(r#"["x"]"#, states, 0).await, value("x"));
    drop(same_text::message("x"));
    drop(same_numbers::message(vec![1]));
}

#[actor]
#[cfg(any())]
fn never_built() -> NoSuchType {}
