//! Code of users that panics, wherever it stands: its message fails, and nothing else does.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::actor::{Declaration, actors};
use common::broker::Broker;
use common::error::EnqueueError;
use common::message::Message;
use common::middleware::{Decision, End, HookError, Middleware, Run};
use common::outcome::MAX_TEXT;
use common::queue_name::QueueName;
use common::store::Completion;
use common::worker::Worker;
use common::{actor, results::Stored};
use serde::{Deserialize, Serialize, Serializer};

use super::kit::{Told, broker, builder, ears, next, start_with, tell};

/// Panics in one of its hooks, where a message says so.
struct Panicking;

fn panic_where_asked(message: &Message, hook: &str) {
    assert!(message.options.read::<String>("panic").as_deref() != Some(hook), "no {hook}");
}

impl Middleware for Panicking {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        panic_where_asked(message, "before_enqueue");
        Ok(())
    }

    fn wants_result(&self, message: &Message, _: &Declaration) -> bool {
        panic_where_asked(message, "wants_result");
        false
    }

    fn before_run(&self, run: &Run<'_>) -> Decision {
        panic_where_asked(run.message, "before_run");
        Decision::Run
    }

    fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
        panic_where_asked(run.message, "around");
        step();
    }

    fn ending(&self, end: &End<'_>, _: &mut Completion) -> Result<(), HookError> {
        panic_where_asked(end.message.expect("a message"), "ending");
        Ok(())
    }
}

#[actor(max_retries = 1, min_backoff = "0s")]
fn work(told: &Told, what: String) {
    tell(told, what);
}

#[actor(max_retries = 1, min_backoff = "0s")]
async fn work_async(told: &Told, what: String) {
    tell(told, what);
}

/// The reasons of the default queue's dead letters, and the numbers of their retries.
async fn dead(broker: &Broker) -> Vec<(String, u32)> {
    let letters = broker.dead_letters(&QueueName::default(), 0, 100).await.unwrap();
    let read = |bytes: &[u8]| Message::decode(bytes, broker.clock().now()).unwrap();
    letters.into_iter().map(|letter| (letter.reason.unwrap(), read(&letter.bytes).retries())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_panics_fails_its_message_and_nothing_else() {
    let broker = builder().with(Panicking).connect("memory:").await.unwrap();
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![work, work_async]).state(told);
    let worker = start_with(worker);
    let ask = |hook: &str| common::message::Raw::from(hook);
    for hook in ["before_run", "wants_result", "around", "ending"] {
        work::message(hook).option("panic", ask(hook)).send(&broker).await.unwrap();
        work_async::message(hook).option("panic", ask(hook)).send(&broker).await.unwrap();
    }
    worker.settle("all have failed, and were retried", |counts| counts.dead == 8).await;
    // The hook comes after the run, and each was tried twice.
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["ending"; 4]);
    let letters = dead(&broker).await;
    for hook in ["before_run", "wants_result", "around", "ending"] {
        let reason = format!("the hook `{hook}` of `worker::hooks::Panicking` panicked: no {hook}");
        assert_eq!(letters.iter().filter(|letter| **letter == (reason.clone(), 1)).count(), 2, "{letters:?}");
    }
    // The slot is free, and a stop has nothing to wait for.
    work::send(&broker, "neighbour").await.unwrap();
    assert_eq!(next(&heard), "neighbour");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_panics_while_sending_is_the_senders_error() {
    let broker = builder().with(Panicking).connect("memory:").await.unwrap();
    let call = work::message("x").option("panic", "before_enqueue".into());
    let error = call.send(&broker).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Hook { .. }), "{error:?}");
    let text =
        "`work` cannot be sent: the hook `before_enqueue` of `worker::hooks::Panicking` panicked: no before_enqueue";
    assert_eq!(error.to_string(), text);
    let again = tokio::task::block_in_place(|| call.send_blocking(&broker)).unwrap_err();
    assert_eq!(again, error);
    work::send(&broker, "the broker goes on").await.unwrap();
    assert_eq!(broker.counts(&QueueName::default()).await.unwrap().ready, 1);
}

/// Panics in whatever it is asked to do last.
#[derive(Serialize, Deserialize)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

struct NoForm;

impl Serialize for NoForm {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("encoded")
    }
}

#[derive(Debug)]
struct Untold;

impl fmt::Display for Untold {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("told")
    }
}

#[derive(Debug, thiserror::Error)]
#[error("sourceless")]
struct Sourceless(#[source] Untraced);

#[derive(Debug)]
struct Untraced;

impl fmt::Display for Untraced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("untraced")
    }
}

impl std::error::Error for Untraced {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        panic!("traced")
    }
}

fn judge(_: u32, _: &String) -> bool {
    panic!("judged")
}

#[actor(max_retries = 0)]
fn drop_an_argument(bomb: Bomb) {
    drop(bomb);
}

#[actor(max_retries = 0)]
async fn drop_a_value() -> Bomb {
    Bomb
}

#[actor(max_retries = 0, store_results = true)]
fn encode() -> NoForm {
    NoForm
}

#[actor(max_retries = 0)]
async fn display() -> Result<(), Untold> {
    Err(Untold)
}

#[actor(max_retries = 0)]
fn trace() -> Result<(), Sourceless> {
    Err(Sourceless(Untraced))
}

#[actor(max_retries = 0, retry_when = judge)]
async fn ask() -> Result<(), String> {
    Err("x".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_actor_takes_and_returns_may_panic_as_well() {
    let broker = broker().await;
    let (told, heard) = ears();
    let actors = actors![drop_an_argument, drop_a_value, encode, display, trace, ask, work];
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors).state(told));
    // Not by the typed way: it would drop the bomb here.
    let mut message = work::message("x").message(broker.clock().now()).unwrap();
    (message.actor_name, message.args) = ("drop_an_argument".into(), vec![common::message::Raw::NULL]);
    message.options.set("max_retries", common::message::Raw::from(0_u32));
    broker.enqueue(vec![message]).await.unwrap();
    drop_a_value::send(&broker).await.unwrap();
    encode::send(&broker).await.unwrap();
    display::send(&broker).await.unwrap();
    trace::send(&broker).await.unwrap();
    ask::message().max_retries(0).send(&broker).await.unwrap();
    worker.settle("all have failed", |counts| counts.dead == 6).await;
    let reasons: Vec<_> = dead(&broker).await.into_iter().map(|(reason, _)| reason).collect();
    let expected = ["dropped", "dropped", "encoded", "told", "traced", "judged"].map(|why| format!("panicked: {why}"));
    assert_eq!(reasons, expected);
    work::send(&broker, "the slot lives on").await.unwrap();
    assert_eq!(next(&heard), "the slot lives on");
    worker.stop().await;
}

/// More than any message may take.
const HUGE: usize = 40 << 20;

#[actor(max_retries = 1, min_backoff = "0s", store_results = true, on_failure = hear)]
fn fail_at_length(panics: bool) -> Result<(), String> {
    let text = "é".repeat(HUGE / 2);
    if panics { panic!("{text}") } else { Err(text) }
}

#[actor]
fn hear(told: &Told, message: serde_json::Value, error: serde_json::Value) {
    let traceback = message["options"]["traceback"].as_str().unwrap();
    assert_eq!(traceback, error["message"]);
    tell(told, traceback);
}

/// Refuses a message at length.
struct Wordy(AtomicBool);

impl Middleware for Wordy {
    fn before_run(&self, run: &Run<'_>) -> Decision {
        let refuses = run.actor.name == "work" && self.0.load(Ordering::Relaxed);
        if refuses { Decision::Reject("x".repeat(HUGE)) } else { Decision::Run }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_error_is_cut_before_it_goes_anywhere() {
    let broker = builder().with(Wordy(AtomicBool::new(true))).connect("memory:").await.unwrap();
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![fail_at_length, hear, work]).state(told);
    let worker = start_with(worker);
    let failed = fail_at_length::send(&broker, false).await.unwrap();
    fail_at_length::send(&broker, true).await.unwrap();
    work::send(&broker, "x").await.unwrap();
    let is_cut = |text: &str| text.len() <= MAX_TEXT && text.ends_with(" bytes left out)");
    for _ in 0..4 {
        let text = next(&heard);
        assert!(is_cut(&text), "{}", text.len());
    }
    worker.settle("all are dead", |counts| counts.dead == 3 && counts.claimed == 0).await;
    let stored = broker.wait_for_result(&failed, Duration::from_secs(30)).await.unwrap();
    assert!(matches!(stored, Stored::Failed { text, .. } if is_cut(&text)));
    for letter in broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap() {
        let reason = letter.reason.unwrap();
        assert!(is_cut(&reason) && letter.bytes.len() < 8 * MAX_TEXT, "{} {}", reason.len(), letter.bytes.len());
    }
    worker.stop().await;
}
