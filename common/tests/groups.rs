//! Groups, on a broker under a clock of the test's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::actor;
use common::actor::{Actor as _, Declaration, actors};
use common::broker::Broker;
use common::call::Call;
use common::composition::{Group, Pipeline, Progress, group};
use common::error::{EnqueueError, ResultError};
use common::message::{Message, MessageId, Raw, option};
use common::middleware::{Decision, HookError, Middleware, Run};
use common::queue_name::QueueName;
use common::results::Stored;
use common::testing::TestBroker;

/// What `note` was called with, in order.
type Notes = Arc<Mutex<Vec<String>>>;

#[actor(store_results = true)]
fn square(n: u32) -> u32 {
    n * n
}

#[actor(store_results = true)]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[actor(max_retries = 0, store_results = true)]
fn odd(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Err(format!("{n} is even")) } else { Ok(n) }
}

#[actor]
fn note(notes: &Notes, text: String) {
    notes.lock().unwrap().push(text);
}

#[actor(priority = 7)]
fn shout(notes: &Notes, text: String) {
    notes.lock().unwrap().push(text.to_uppercase());
}

/// Runs all there is, with all delays, and answers what was noted.
async fn run(broker: &TestBroker) -> Vec<String> {
    run_by(broker, actors![square, add, odd, note, shout]).await
}

async fn run_by(broker: &TestBroker, actors: &[&'static Declaration]) -> Vec<String> {
    let notes = Notes::default();
    broker.worker().actors(actors).state(notes.clone()).run_until_done().await.unwrap();
    std::mem::take(&mut *notes.lock().unwrap())
}

async fn requeue_all(broker: &TestBroker) {
    let letters = broker.dead_letters("default").await;
    broker.requeue(&QueueName::default(), &letters).await.unwrap();
}

async fn reasons(broker: &TestBroker) -> Vec<String> {
    let letters = broker.dead_letters("default").await;
    letters.into_iter().map(|letter| letter.reason.unwrap_or_default()).collect()
}

#[tokio::test]
async fn what_comes_after_a_group_runs_once_all_members_are_done() {
    let broker = TestBroker::new();
    let members = [note::message("one"), note::message("two").delay(Duration::from_secs(60)), note::message("three")];
    let all = group(members).then(note::message("done")).then(shout::message("done, too"));
    let sent = all.send(&broker).await.unwrap();
    assert_eq!((all.members(), sent.members().len()), (3, 3));
    assert_eq!(run(&broker).await, ["one", "three", "two", "done", "DONE, TOO"]);
    assert_eq!(broker.sent(shout::DECLARATION)[0].priority(), 7, "it keeps its actor's priority");
}

#[tokio::test]
async fn the_results_of_a_group_are_read_in_the_order_of_its_members() {
    let (broker, now) = (TestBroker::new(), Duration::ZERO);
    let delay = |n: u32| Duration::from_secs(u64::from(100 - n));
    let sent = group((0..5).map(|n| square::message(n).delay(delay(n)))).send(&broker).await.unwrap();
    assert_eq!((sent.completed().await, sent.name()), (Ok(0), None));
    run(&broker).await;
    assert_eq!(sent.results(now).await, Ok(vec![0_u32, 1, 4, 9, 16]));
    assert_eq!((sent.completed().await, sent.progress().await), (Ok(5), Ok(None)));

    let sent = group([odd::message(1), odd::message(2)]).send(&broker).await.unwrap();
    run(&broker).await;
    assert_eq!(sent.results::<u32>(now).await.unwrap_err().to_string(), "the actor failed: String: 2 is even");
    let failed = Stored::Failed { kind: "String".to_owned(), text: "2 is even".to_owned() };
    assert_eq!(sent.outcomes(now).await, Ok(vec![Stored::Value(Raw::from(1_u32)), failed]));
}

#[tokio::test]
async fn a_pipeline_counts_with_its_last_step() {
    let broker = TestBroker::new();
    let sum = |n| square::message(n) | add::step(1) | add::step(1);
    let sent = group([sum(1), sum(2)]).then(note::message("done")).send(&broker).await.unwrap();
    let actors =
        |messages: &[Message]| messages.iter().map(|message| message.actor_name.to_string()).collect::<Vec<_>>();
    assert_eq!(actors(sent.members()), ["add", "add"]);
    assert_eq!(run(&broker).await, ["done"]);
    assert_eq!(sent.results(Duration::ZERO).await, Ok(vec![3_u32, 6]));

    // With calls of other actors among them, as plain ones.
    let mixed = [sum(1).untyped(), Pipeline::new(note::message("one")).untyped()];
    group(mixed).then(note::message("mixed")).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["one", "mixed"]);
    let calls: [Call; 2] = [square::message(1).untyped(), note::message("two").untyped()];
    group(calls).then(note::message("calls")).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["two", "calls"]);
}

#[tokio::test]
async fn a_failed_member_holds_up_what_comes_after_until_it_is_requeued_and_succeeds() {
    let broker = TestBroker::new();
    let sent = group([1, 2, 3].map(odd::message)).then(note::message("done")).send(&broker).await.unwrap();
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 0, failed: 0, left: 3 })));
    assert!(run(&broker).await.is_empty());
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 2, failed: 1, left: 0 })));
    requeue_all(&broker).await;
    assert_eq!(run_by(&broker, actors![mended::odd, note]).await, ["done"]);
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 3, failed: 0, left: 0 })));
}

/// What was wrong, mended.
mod mended {
    use common::actor;

    #[actor]
    pub(super) fn odd(n: u32) -> u32 {
        n
    }
}

#[tokio::test]
async fn failures_count_where_that_is_wanted() {
    let broker = TestBroker::new();
    let counting = || group([1, 2].map(odd::message)).then(note::message("done")).count_failures();
    let sent = counting().send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["done"]);
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 1, failed: 1, left: 0 })));
    requeue_all(&broker).await;
    assert!(run_by(&broker, actors![mended::odd, note]).await.is_empty(), "it was done before");
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 2, failed: 0, left: 0 })));

    // However they die.
    let sent = counting().delay(Duration::from_secs(60)).send(&broker).await.unwrap();
    for member in sent.members() {
        let found = broker.find(member.message_id.as_str(), 0).await.unwrap();
        broker.cancel(&found[0], "not wanted any more").await.unwrap();
    }
    assert_eq!(run(&broker).await, ["done"]);
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 0, failed: 2, left: 0 })));
}

#[tokio::test]
async fn the_same_group_is_sent_once_however_often() {
    let broker = TestBroker::new();
    let all = group([1, 2].map(square::message)).then(note::message("done"));
    let sent = all.send(&broker).await.unwrap();
    broker.advance(Duration::from_secs(1));
    let again = all.send(&broker).await.unwrap();
    assert_eq!((sent.members(), sent.name()), (again.members(), again.name()));
    assert_eq!(run(&broker).await, ["done"]);
    assert_eq!(square::sent(&broker), [(1,), (2,)]);
    // Ended meanwhile, members run again, and count for nothing.
    let broker_clone: Broker = (*broker).clone();
    let late = tokio::task::spawn_blocking(move || all.send_blocking(&broker_clone).unwrap()).await.unwrap();
    assert!(run(&broker).await.is_empty());
    assert_eq!(late.progress().await, Ok(Some(Progress { done: 2, failed: 0, left: 0 })));
}

#[tokio::test]
async fn a_group_of_none_is_done_at_once() {
    let broker = TestBroker::new();
    let none = || std::iter::empty::<Call>();
    let sent = group(none()).then(note::message("done")).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["done"]);
    assert_eq!(
        (sent.members().len(), sent.completed().await, sent.outcomes(Duration::ZERO).await),
        (0, Ok(0), Ok(vec![]))
    );
    group(none()).tracked().send(&broker).await.unwrap();
    assert!(run(&broker).await.is_empty());
}

#[tokio::test]
async fn thousands_of_members_are_counted_by_one_look() {
    let broker = TestBroker::new();
    let all: Group<square> = group((0..3_500).map(square::message)).tracked();
    let broker_clone: Broker = (*broker).clone();
    let sent = tokio::task::spawn_blocking(move || all.send_blocking(&broker_clone).unwrap()).await.unwrap();
    assert_eq!(sent.progress().await, Ok(Some(Progress { done: 0, failed: 0, left: 3_500 })));
    run(&broker).await;
    let (progress, results) = tokio::task::spawn_blocking(move || {
        (sent.progress_blocking().unwrap(), sent.results_blocking::<u32>(Duration::ZERO).unwrap())
    })
    .await
    .unwrap();
    assert_eq!(progress, Some(Progress { done: 3_500, failed: 0, left: 0 }));
    assert_eq!((results.len(), results[3_499]), (3_500, 3_499 * 3_499));
}

#[tokio::test]
async fn a_batch_is_a_tracked_group_of_the_calls_of_one_actor() {
    #[actor(store_results = true)]
    fn none() -> u32 {
        17
    }

    #[actor(remote, store_results = true)]
    fn elsewhere(what: String, #[kwarg] times: u32) -> u32;

    let broker = TestBroker::new();
    let (now, patience) = (Duration::ZERO, Duration::from_secs(20));
    let sent = square::batch(vec![3, 4]).send(&broker).await.unwrap();
    assert_eq!(sent.wait(now).await, Err(ResultError::Left { timeout: now, done: 0, failed: 0, left: 2 }));
    let mut early = sent.each_result::<u32>(now);
    assert!(matches!(early.next().await, Some(Err(ResultError::Timeout { .. }))));
    assert_eq!(early.next().await, None, "nothing comes after that");
    note::batch(["one", "two"]).then(note::message("done")).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["one", "two", "done"]);
    assert_eq!(sent.wait(patience).await, Ok(Progress { done: 2, failed: 0, left: 0 }));
    let mut squares = sent.each_result(patience);
    assert_eq!((squares.next().await, squares.next().await, squares.next().await), (Some(Ok(9)), Some(Ok(16)), None));

    add::batch([(1, 2), (3, 4)]).send(&broker).await.unwrap();
    assert_eq!(add::sent(&broker), [(1, 2), (3, 4)]);
    none::batch([(), ()]).send(&broker).await.unwrap();
    assert_eq!(none::sent(&broker), [(), ()]);
    let sent = elsewhere::batch([("a", 1)]).send(&broker).await.unwrap();
    assert_eq!(sent.members()[0].to_string(), r#"elsewhere("a", times=1)"#);
    assert_eq!(square::batch([]).send(&broker).await.unwrap().wait(now).await.unwrap().left, 0);

    // What keeps no results, or is not counted, is not waited for.
    let sent = note::batch(["one"]).send(&broker).await.unwrap();
    let mut nothing = sent.each_result::<()>(patience);
    assert_eq!(nothing.next().await, Some(Err(ResultError::NotKept("note".to_owned()))));
    assert_eq!(nothing.next().await, None);
    let sent = group([square::message(1)]).send(&broker).await.unwrap();
    assert_eq!(sent.wait(patience).await, Err(ResultError::NotCounted));
}

#[tokio::test]
async fn a_message_whose_group_has_no_messages_after_it_is_not_run() {
    let broker = TestBroker::new();
    let member = |callbacks: &str| {
        let uuid = Raw::from("9490db23-7bcb-4996-b18f-bec0583cff98");
        let call = note::message("run").option(option::GROUP_COMPLETION_UUID, uuid);
        call.option(option::GROUP_COMPLETION_CALLBACKS, Raw::parse(callbacks).unwrap())
    };
    for (callbacks, cause) in [
        ("17", "expected a sequence"),
        (r#"[{"queue_name":"default"}]"#, "missing field `actor_name`"),
        (r#"[{"queue_name":"no queue","actor_name":"note","args":[NaN],"kwargs":{}}]"#, "no queue"),
    ] {
        member(callbacks).send(&broker).await.unwrap();
        assert!(run(&broker).await.is_empty());
        let reason = reasons(&broker).await.pop().unwrap();
        assert!(
            reason.starts_with("what comes after its group (`group_completion_callbacks`) cannot be sent: "),
            "{reason}"
        );
        assert!(reason.contains(cause), "{reason}");
    }
    // Nothing comes after it, so it is of no group.
    for callbacks in ["null", "[]"] {
        member(callbacks).send(&broker).await.unwrap();
        assert_eq!(run(&broker).await, ["run"]);
    }
    // A group that nobody knows (any more): it ends, and nothing comes after it.
    let lost =
        r#"[{"queue_name":"default","actor_name":"note","args":["never"],"kwargs":{},"options":{"x":Infinity}}]"#;
    member(lost).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["run"]);
}

/// Lets nothing to `note` pass that has no tenant, and skips what says so.
struct Tenants;

impl Middleware for Tenants {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        if &*message.actor_name == "note" && message.options.get("tenant").is_none() {
            return Err("no tenant".into());
        }
        Ok(())
    }

    fn before_run(&self, run: &Run<'_>) -> Decision {
        if run.message.options.get("skip").is_some() { Decision::Skip } else { Decision::Run }
    }
}

#[tokio::test]
async fn hooks_see_what_comes_after_a_group_and_what_they_skip_is_done() {
    let broker = TestBroker::from_builder(Broker::builder().with(Tenants));
    let then = note::message("done").option("tenant", Raw::TRUE);
    let members = [square::message(1), square::message(2).option("skip", Raw::TRUE)];
    group(members).then(then).send(&broker).await.unwrap();
    assert_eq!(run(&broker).await, ["done"]);
    group([square::message(1).max_retries(0)]).then(note::message("done")).send(&broker).await.unwrap();
    assert!(run(&broker).await.is_empty());
    let reason = reasons(&broker).await.pop().unwrap();
    assert!(reason.starts_with("`note` cannot be sent: the hook `before_enqueue` of "), "{reason}");
}

#[test]
fn nothing_is_sent_of_a_group_with_an_argument_that_cannot_travel() {
    #[actor]
    fn map(_n: u32, _map: std::collections::BTreeMap<Vec<u8>, u8>) {}

    let broker = TestBroker::new();
    let members = (0..2_000).map(|n| map::message(n, if n == 1_999 { [(vec![1], 2)].into() } else { [].into() }));
    let error = group(members).tracked().send_blocking(&broker).unwrap_err();
    assert!(matches!(error, EnqueueError::Invalid { argument: "_map", .. }), "{error}");
    assert!(broker.sent(map::DECLARATION).is_empty());
}

/// What dramatiq wrote for the same calls, with ids and times as they come; what is ours stands behind that.
#[test]
fn a_group_is_written_as_dramatiq_writes_it() {
    #[actor(queue = "told")]
    fn told(_what: String) {}

    let written = include_str!("../../tests/corpus/written.msgs").lines();
    let theirs: Vec<_> =
        written.filter_map(|line| line.split_once('\t')).filter(|(name, _)| name.starts_with("group member")).collect();
    let (broker, id) = (TestBroker::new(), MessageId::random());
    let add = |n: u32| Call::new(add::DECLARATION, [Ok(Raw::from(n))]);
    group([add(1), add(2)]).then(told::message("all done")).send_blocking(&broker).unwrap();
    let ours = broker.sent(add::DECLARATION);
    assert_eq!((ours.len(), theirs.len()), (2, 2));
    for (number, (message, (_, theirs))) in ours.iter().zip(theirs).enumerate() {
        let options: Vec<_> = message.options.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(options, [option::GROUP_COMPLETION_UUID, option::GROUP_COMPLETION_CALLBACKS, option::GROUP_MEMBER]);
        let mut message = message.clone();
        assert_eq!(message.options.get(option::GROUP_MEMBER).unwrap().read(), Ok(number));
        message.options.remove(option::GROUP_MEMBER);
        let mut theirs = Message::decode(theirs.as_bytes(), message.message_timestamp).unwrap();
        // Both were sent; what comes after them was not.
        for sent in [&mut message, &mut theirs] {
            sent.options.remove(option::REDIS_MESSAGE_ID);
        }
        assert_eq!(tidy(&message, &id), tidy(&theirs, &id));
    }
}

/// A message with ids and times, which are never the same, taken out: its own, its group's, and those of what comes after that.
fn tidy(message: &Message, id: &MessageId) -> String {
    let mut message = message.clone();
    let clean = |message: &mut Message| {
        message.message_id = id.clone();
        message.message_timestamp = common::clock::Timestamp::from_millis(0);
    };
    clean(&mut message);
    if let Some(callbacks) = message.options.get(option::GROUP_COMPLETION_CALLBACKS).cloned() {
        let text = callbacks.as_str();
        let mut callback = Message::decode(&text.as_bytes()[1..text.len() - 1], message.message_timestamp).unwrap();
        clean(&mut callback);
        message.options.set(option::GROUP_COMPLETION_UUID, Raw::NULL);
        message.options.set(option::GROUP_COMPLETION_CALLBACKS, callback.to_raw());
    }
    String::from_utf8(message.encode()).unwrap()
}
