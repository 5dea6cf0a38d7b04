//! Calls that follow from each other, on a broker under a clock of the test's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor;
use common::actor::{Declaration, actors};
use common::broker::Broker;
use common::call::Call;
use common::composition::Pipeline;
use common::message::{MAX_MESSAGE_SIZE, Message, MessageId, Raw, option};
use common::middleware::{HookError, Middleware};
use common::outcome::Retry;
use common::queue_name::QueueName;
use common::results::Stored;
use common::testing::TestBroker;

/// What `note` was called with, in order.
type Notes = Arc<Mutex<Vec<String>>>;

#[actor(store_results = true)]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

/// Another name for a `Result`.
type Attempt<T> = Result<T, String>;

#[actor(max_retries = 1, min_backoff = "1m", max_backoff = "1m")]
fn halve(n: u32) -> Attempt<u32> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

#[actor(priority = 7)]
async fn label(prefix: String, n: u32, #[kwarg] suffix: String) -> Result<String, std::fmt::Error> {
    Ok(format!("{prefix}{n}{suffix}"))
}

#[actor]
fn note(notes: &Notes, text: String) {
    notes.lock().unwrap().push(text);
}

#[actor(pipe_ignore = true)]
fn quiet() -> &'static str {
    "nobody hears of it"
}

#[actor(max_retries = 3)]
fn fill(size: usize) -> String {
    "x".repeat(size)
}

/// Succeeds at the second attempt.
#[actor(min_backoff = "1m")]
fn insist(context: &common::Context, text: String) -> Result<String, Retry> {
    if context.attempt() == 1 { Err(Retry::default()) } else { Ok(text) }
}

/// Runs all there is, with all delays, and answers what was noted.
async fn run(broker: &TestBroker) -> Vec<String> {
    run_by(broker, actors![add, halve, label, note, quiet, fill, insist]).await
}

async fn run_by(broker: &TestBroker, actors: &[&'static Declaration]) -> Vec<String> {
    let notes = Notes::default();
    broker.worker().actors(actors).state(notes.clone()).run_until_done().await.unwrap();
    std::mem::take(&mut *notes.lock().unwrap())
}

async fn reasons(broker: &TestBroker) -> Vec<String> {
    let letters = broker.dead_letters("default").await;
    letters.into_iter().map(|letter| letter.reason.unwrap_or_default()).collect()
}

#[tokio::test]
async fn each_step_gets_the_result_of_the_one_before_it() {
    let broker = TestBroker::new();
    let steps = add::message(1, 2) | add::step(3) | halve::step() | label::step("n = ", "!") | note::step();
    let sent = steps.send(&broker).await.unwrap();
    let sent = sent.steps();
    assert_eq!((steps.steps(), sent.len()), (5, 5));
    assert_eq!(run(&broker).await, ["n = 3!"]);
    // Each under the id that the sender knows.
    assert_eq!(broker.result(&sent[1]).await, Ok(Some(Stored::Value(Raw::from(6_u32)))));
    assert_eq!(broker.sent(<label as actor::Actor>::DECLARATION)[0].message_id, sent[3].message_id);
    assert_eq!(label::sent(&broker), [("n = ".to_owned(), 3, "!".to_owned())]);
    assert_eq!(sent.iter().map(Message::priority).collect::<Vec<_>>(), [0, 0, 0, 7, 0]);
}

#[tokio::test]
async fn what_a_pipeline_comes_to_is_read_as_its_last_actor_returns_it() {
    let (broker, now) = (TestBroker::new(), Duration::ZERO);
    let kept = || halve::message(12).store_results(Duration::from_secs(600)) | add::step(4) | add::step(5);
    let sent = kept().send(&broker).await.unwrap();
    let early = sent.result::<u32>(now).await.unwrap_err().to_string();
    assert!(early.starts_with("no result of add(5) within 0ns: its step halve(12): it waits because "), "{early}");
    assert_eq!(sent.completed().await, Ok(0));
    run(&broker).await;
    assert_eq!(sent.result(now).await, Ok(15));
    assert_eq!(sent.completed().await, Ok(3));
    let all = sent.results(now).await.unwrap();
    assert_eq!(all, [6_u32, 10, 15].map(|value| Stored::Value(Raw::from(value))));

    let failing = halve::message(7).store_results(Duration::from_secs(600)) | add::step(4) | add::step(5);
    let sent = failing.send(&broker).await.unwrap();
    run(&broker).await;
    let late = sent.result::<u32>(now).await.unwrap_err().to_string();
    assert!(late.contains("its step halve(7): it waits no more: it died "), "{late}");
    assert_eq!(sent.completed().await, Ok(1), "a failure is a result, too");
    let failed = Stored::Failed { kind: "String".to_owned(), text: "7 is odd".to_owned() };
    assert_eq!(sent.results(now).await, Ok(vec![failed]));
}

#[tokio::test]
async fn a_whole_call_ignores_what_came_before_it() {
    let broker = TestBroker::new();
    let first = add::message(1, 2) | note::message("whatever it was");
    let second = quiet::message() | note::message("quiet") | Pipeline::new(note::message("third"));
    (first | (quiet::message() | second)).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["whatever it was", "quiet", "third"]);
}

#[tokio::test]
async fn an_actor_may_keep_its_result_from_the_next_step() {
    let broker = TestBroker::new();
    Pipeline::new(quiet::message()).append(note::message("alone")).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["alone"]);
}

/// A call of `add` that lacks an argument.
fn add_to(n: u32) -> Call {
    Call::new(<add as actor::Actor>::DECLARATION, [Ok(Raw::from(n))])
}

#[tokio::test]
async fn steps_without_types_are_called_as_dramatiq_does_it() {
    let broker = TestBroker::new();
    let steps = (3..6).fold(Pipeline::new(add::message(1, 2)).untyped(), |steps, n| steps.append(add_to(n)));
    let ignoring = add::message(0, 7).option(option::PIPE_IGNORE, Raw::TRUE);
    steps.append(ignoring).append(add_to(8)).append(add::message(0, 0)).send(&broker).await.unwrap();
    run(&broker).await;
    let sent = broker.sent(<add as actor::Actor>::DECLARATION);
    let sent: Vec<_> = sent.iter().map(ToString::to_string).collect();
    let expected = ["add(1, 2)", "add(3, 3)", "add(4, 6)", "add(5, 10)", "add(0, 7)", "add(8, 7)", "add(0, 0, 15)"];
    assert_eq!(sent, expected);
    assert_eq!(reasons(&broker).await, ["3 arguments given, but it takes (a: u32, b: u32)"]);
}

#[tokio::test]
async fn hundreds_of_steps_run_one_after_the_other() {
    let broker = TestBroker::new();
    let mut steps = Pipeline::new(add::message(0, 1));
    for _ in 0..400 {
        steps = steps | add::step(1);
    }
    (steps | label::step("", "") | note::step()).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["401"]);
}

#[tokio::test]
async fn a_delay_counts_from_the_end_of_the_step_before() {
    let broker = TestBroker::new();
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let start = broker.clock().now();
    let steps = add::message(1, 1).delay(minute) | halve::step().delay(hour) | label::step("", "");
    steps.delay(2 * minute).send(&broker).await.unwrap();
    run(&broker).await;
    assert_eq!(broker.clock().now(), start + 2 * minute + hour);

    // Of a pipeline behind another one, too.
    let start = broker.clock().now();
    let (first, second) = (Pipeline::new(add::message(1, 1)), Pipeline::new(add::message(2, 2)).delay(hour));
    (first | second).send(&broker).await.unwrap();
    run(&broker).await;
    assert_eq!(broker.clock().now(), start + hour);
}

#[tokio::test]
async fn a_step_that_is_tried_again_goes_on_when_it_succeeds() {
    let broker = TestBroker::new();
    (add::message(1, 2) | label::step("", "") | insist::step() | note::step()).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["3"]);
}

#[tokio::test]
async fn a_step_that_fails_ends_the_chain_until_it_is_requeued_and_succeeds() {
    let broker = TestBroker::new();
    (halve::message(5) | label::step("", "") | note::step()).send(&broker).await.unwrap();
    assert!(run(&broker).await.is_empty());
    assert_eq!(reasons(&broker).await, ["5 is odd"]);

    let letters = broker.dead_letters("default").await;
    broker.requeue(&QueueName::default(), &letters).await.unwrap();
    assert_eq!(run_by(&broker, actors![mended::halve, label, note]).await, ["2"]);
}

/// What was wrong, mended.
mod mended {
    use common::actor;

    #[actor]
    pub(super) fn halve(n: u32) -> u32 {
        n / 2
    }
}

#[tokio::test]
async fn the_same_pipeline_is_sent_once_however_often() {
    let broker = TestBroker::new();
    let steps = add::message(1, 2) | label::step("", "") | note::step();
    let sent = steps.send(&broker).await.unwrap();
    broker.advance(Duration::from_secs(1));
    let again = {
        let broker: Broker = (*broker).clone();
        tokio::task::spawn_blocking(move || (steps.send_blocking(&broker), steps)).await.unwrap()
    };
    assert_eq!(again.0.unwrap().steps(), sent.steps());
    assert_eq!(run(&broker).await, ["3"]);
}

#[tokio::test]
async fn a_message_whose_next_step_is_none_is_not_run() {
    let broker = TestBroker::new();
    for (target, cause) in [
        ("17", "expected struct Fields"),
        (r#"{"queue_name":"default"}"#, "missing field `actor_name`"),
        (r#"{"queue_name":"no queue","actor_name":"note","args":[],"kwargs":{}}"#, "no queue"),
    ] {
        let call = note::message("run").option(option::PIPE_TARGET, Raw::parse(target).unwrap());
        call.send(&broker).await.unwrap();
        assert!(run(&broker).await.is_empty());
        let reason = reasons(&broker).await.pop().unwrap();
        assert!(reason.starts_with("the next step of its pipeline (`pipe_target`) cannot be sent: "), "{reason}");
        assert!(reason.contains(cause), "{reason}");
    }
    // What Python takes for none is none.
    for target in ["null", "{}", "false", "\"\""] {
        let call = note::message(target).option(option::PIPE_TARGET, Raw::parse(target).unwrap());
        call.send(&broker).await.unwrap();
        assert_eq!(run(&broker).await, [target]);
    }
}

#[tokio::test]
async fn a_result_that_makes_the_next_step_too_large_is_a_failure_that_is_not_tried_again() {
    let broker = TestBroker::new();
    let sent = (fill::message(MAX_MESSAGE_SIZE - 2) | note::step()).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await.len(), 1, "it just fits");
    assert_eq!(sent.steps().len(), 2);
    let start = broker.clock().now();
    let kept = fill::message(MAX_MESSAGE_SIZE).store_results(Duration::from_secs(600));
    let sent = (kept | note::step()).send(&broker).await.unwrap();
    assert!(run(&broker).await.is_empty());
    assert_eq!(broker.clock().now(), start, "it was not tried again");
    let reason = reasons(&broker).await.pop().unwrap();
    let expected = "the next step of its pipeline, `note`, cannot be sent: with this result it takes 16777218 bytes";
    assert!(reason.starts_with(expected), "{reason}");
    let Some(Stored::Failed { kind, text }) = broker.result(&sent.steps()[0]).await.unwrap() else {
        panic!("a failure is kept")
    };
    assert_eq!((kind.as_str(), text), ("pipeline", reason));
}

/// Lets no message to `note` pass that has no tenant, and hands on what its message had.
struct Tenants;

impl Middleware for Tenants {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        if &*message.actor_name == "note" && message.options.get("tenant").is_none() {
            return Err("no tenant".into());
        }
        Ok(())
    }
}

#[tokio::test]
async fn hooks_see_each_step_as_it_is_sent() {
    let broker = TestBroker::from_builder(Broker::builder().with(Tenants));
    let name = || add::message(1, 2) | label::step("", "");
    (name() | note::step().option("tenant", Raw::TRUE)).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["3"]);
    let refused = label::message("", 1, "").max_retries(0) | note::step();
    refused.send(&broker).await.unwrap();
    assert!(run(&broker).await.is_empty());
    let reason = reasons(&broker).await.pop().unwrap();
    assert!(reason.starts_with("`note` cannot be sent: the hook `before_enqueue` of "), "{reason}");
    assert!(reason.ends_with("no tenant"), "{reason}");
}

#[test]
fn an_argument_that_cannot_travel_is_named() {
    #[actor]
    fn between(_first: u32, _map: std::collections::BTreeMap<Vec<u8>, u8>, _last: u32, #[kwarg] _named: f64) {}

    let (broker, bad) = (TestBroker::new(), [(vec![1], 2)]);
    let steps = add::message(1, 2) | between::step(1, bad.clone().into(), 0.5);
    let error = steps.send_blocking(&broker).unwrap_err().to_string();
    assert!(error.contains("`_map`"), "{error}");
}

/// What dramatiq wrote for the same calls, with ids and times as they come.
#[test]
fn a_pipeline_is_written_as_dramatiq_writes_it() {
    let written = include_str!("../../tests/corpus/written.msgs").lines();
    let written: Vec<_> = written.filter_map(|line| line.split_once('\t')).collect();
    let now = common::clock::Timestamp::from_millis(1_795_485_700_326);
    let two = || Pipeline::new(add::message(1, 2)).append(add_to(3));
    let ignoring = add_to(3).option(option::PIPE_IGNORE, Raw::TRUE);
    for (name, ours) in [
        ("pipeline of two", two()),
        ("pipeline of three", two().append(add_to(4))),
        ("delayed pipeline", Pipeline::new(add::message(1, 2)).append(ignoring).delay(Duration::from_secs(60))),
    ] {
        let theirs = written.iter().find(|(other, _)| *other == name).unwrap().1;
        let ours = &ours.messages(now).unwrap()[0];
        let mut theirs = Message::decode(theirs.as_bytes(), now).unwrap();
        // It was sent; what lies inside was not.
        theirs.options.remove(option::REDIS_MESSAGE_ID);
        assert_eq!(tidy(ours), tidy(&theirs), "{name}");
    }
}

/// A message with ids and times, which are never the same, taken out: its own, and those of the next one.
fn tidy(message: &Message) -> Vec<String> {
    let mut message = message.clone();
    message.message_id = MessageId::from("id");
    message.message_timestamp = common::clock::Timestamp::from_millis(0);
    let mut texts = Vec::new();
    if message.eta(message.message_timestamp).is_some() {
        message.set_eta(Some(message.message_timestamp));
    }
    if let Some(next) = message.options.get(option::PIPE_TARGET).cloned() {
        texts = tidy(&Message::decode(next.as_str().as_bytes(), message.message_timestamp).unwrap());
        message.options.set(option::PIPE_TARGET, Raw::NULL);
    }
    texts.push(String::from_utf8(message.encode()).unwrap());
    texts
}
