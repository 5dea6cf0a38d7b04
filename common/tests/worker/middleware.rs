//! Middleware that decides, goes around, carries on and refuses.

use std::sync::Mutex;
use std::time::Duration;

use common::actor::{Context, actors};
use common::broker::Broker;
use common::message::{Message, Raw};
use common::middleware::{Decision, End, HookError, Middleware, Run};
use common::queue_name::QueueName;
use common::store::{Completion, Counts};
use common::testing::TestBroker;
use common::worker::Worker;
use common::{actor, outcome::Outcome};

/// What actors and hooks have noted.
type Notes = Mutex<Vec<String>>;

fn note(notes: &Notes, what: impl Into<String>) {
    notes.lock().unwrap().push(what.into());
}

async fn notes_of(broker: &TestBroker, worker: impl FnOnce(Worker) -> Worker) -> Vec<String> {
    let notes: &'static Notes = Box::leak(Box::default());
    worker(broker.worker().state(Noted(notes))).run_until_done().await.unwrap();
    notes.lock().unwrap().clone()
}

/// The notes, as state of a worker.
struct Noted(&'static Notes);

#[actor(max_retries = 0)]
fn work(noted: &Noted, broker: &Broker, context: &Context, what: String) {
    let sent = context.message().message_timestamp;
    note(noted.0, format!("{what} in attempt {}, {:?} later", context.attempt(), broker.clock().now().since(sent)));
}

async fn left(broker: &TestBroker) -> Counts {
    broker.counts(&QueueName::default()).await.unwrap()
}

/// Does what a message's option says, once.
struct Decides;

impl Middleware for Decides {
    fn before_run(&self, run: &Run<'_>) -> Decision {
        match run.message.options.read::<String>("decide").as_deref() {
            Some("later") if run.waited() == Some(Duration::ZERO) && run.message.options.get("eta").is_none() => {
                Decision::Later(Duration::from_secs(60))
            }
            Some("skip") => Decision::Skip,
            Some("reject") => Decision::Reject("as it asked".to_owned()),
            _ => Decision::Run,
        }
    }
}

#[tokio::test]
async fn a_message_may_be_put_off_skipped_or_rejected_before_it_runs() {
    let broker = TestBroker::from_builder(Broker::builder().with(Decides));
    for decision in ["later", "skip", "reject"] {
        work::message(decision).option("decide", Raw::from(decision)).send(&broker).await.unwrap();
    }
    let state = (*broker).clone();
    let notes = notes_of(&broker, |worker| worker.state(state).actors(actors![work])).await;
    assert_eq!(notes, ["later in attempt 1, 60s later"], "no retry was spent");
    assert_eq!(left(&broker).await, Counts { dead: 1, ..Counts::default() });
    let letters = broker.dead_letters("default").await;
    assert_eq!(letters[0].reason.as_deref(), Some("as it asked"));
}

tokio::task_local! {
    static TENANT: String;
}

fn tenant() -> Option<String> {
    TENANT.try_with(String::clone).ok()
}

/// The tenant goes with the message, into its run, and on to what the run sends.
struct Tenants;

impl Middleware for Tenants {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        message.options.set("tenant", Raw::from(tenant().ok_or("no tenant")?));
        Ok(())
    }

    fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
        TENANT.sync_scope(run.message.options.read("tenant").unwrap_or_default(), step);
    }
}

#[actor(on_success = hear)]
fn begin(noted: &Noted, broker: &Broker) {
    note(noted.0, format!("begin for {:?}", tenant()));
    go_on::message().send_blocking(broker).unwrap();
}

#[actor]
async fn go_on(noted: &Noted) {
    // More than one step, and another thread perhaps.
    tokio::task::yield_now().await;
    note(noted.0, format!("go_on for {:?}", tenant()));
}

#[actor]
fn hear(noted: &Noted, _message: serde_json::Value, _result: serde_json::Value) {
    note(noted.0, format!("hear for {:?}", tenant()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_from_the_sender_into_runs_and_on_to_all_that_they_send() {
    let broker = TestBroker::from_builder(Broker::builder().with(Tenants));
    let error = begin::send(&broker).await.unwrap_err().to_string();
    assert!(error.ends_with("`before_enqueue` of `worker::middleware::Tenants` refuses it: no tenant"), "{error}");
    TENANT.scope("ada".to_owned(), begin::send(&broker)).await.unwrap();
    let state = (*broker).clone();
    let mut notes = notes_of(&broker, |worker| worker.state(state).actors(actors![begin, go_on, hear])).await;
    notes.sort_unstable();
    assert_eq!(notes, ["begin", "go_on", "hear"].map(|name| format!("{name} for Some(\"ada\")")));
    assert_eq!(left(&broker).await, Counts::default());
}

#[actor(max_retries = 0)]
fn fail() -> Result<(), String> {
    Err("failed".to_owned())
}

#[tokio::test]
async fn what_is_requeued_by_hand_is_sent_like_anything() {
    let broker = TestBroker::from_builder(Broker::builder().with(Tenants));
    TENANT.scope("ada".to_owned(), fail::send(&broker)).await.unwrap();
    broker.worker().actors(actors![fail]).run_until_done().await.unwrap();
    let letters = broker.dead_letters("default").await;
    let refused = broker.requeue(&QueueName::default(), &letters).await.unwrap_err().to_string();
    assert!(refused.ends_with("refuses it: no tenant"), "{refused}");
    assert_eq!(left(&broker).await, Counts { dead: 1, ..Counts::default() });
    let requeued = TENANT.scope("bob".to_owned(), async { broker.requeue(&QueueName::default(), &letters).await });
    assert_eq!(requeued.await, Ok(vec![true]));
    broker.worker().actors(actors![fail]).run_until_done().await.unwrap();
    let letter = broker.dead_letters("default").await.remove(0);
    let message = Message::decode(&letter.bytes, broker.clock().now()).unwrap();
    assert_eq!(message.options.read::<String>("tenant").as_deref(), Some("bob"));
}

/// Lets nobody hear of anything.
struct Secretive;

impl Middleware for Secretive {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        if *message.actor_name == *"hear" { Err("it is a secret".into()) } else { Ok(()) }
    }
}

#[actor(max_retries = 0, on_failure = hear)]
fn fail_loudly() -> Result<(), String> {
    Err("failed".to_owned())
}

#[actor(max_retries = 0, on_success = hear, on_failure = hear)]
fn end_well() {}

#[tokio::test]
async fn what_a_hook_refuses_to_have_sent_is_not_sent_whether_its_run_ended_well_or_not() {
    let broker = TestBroker::from_builder(Broker::builder().with(Secretive));
    fail_loudly::send(&broker).await.unwrap();
    end_well::send(&broker).await.unwrap();
    broker.worker().actors(actors![fail_loudly, end_well]).run_until_done().await.unwrap();
    assert_eq!(broker.sent(<hear as actor::Actor>::DECLARATION), []);
    let reasons: Vec<_> = broker.dead_letters("default").await.into_iter().filter_map(|letter| letter.reason).collect();
    let refused = "`hear` cannot be sent: the hook `before_enqueue` of `worker::middleware::Secretive` refuses it: it is a secret";
    assert_eq!(reasons, ["failed", refused]);
}

/// Notes which hooks ran, and in which order.
struct Noting(&'static str, &'static Notes);

impl Middleware for Noting {
    fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
        note(self.1, format!("{} goes in, {}", self.0, run.attempt()));
        step();
        note(self.1, format!("{} comes out", self.0));
    }

    fn ending(&self, end: &End<'_>, completion: &mut Completion) -> Result<(), HookError> {
        let _ = completion;
        note(self.1, format!("{} ends {:?}", self.0, end.outcome));
        if self.0 == "outer" && *end.outcome == Outcome::Value(Raw::NULL) {
            return Err("not good enough".into());
        }
        Ok(())
    }
}

#[actor(max_retries = 1, min_backoff = "1s", max_backoff = "1s")]
fn plain() {}

#[tokio::test]
async fn hooks_run_in_order_and_an_ending_may_fail_its_message() {
    let notes: &'static Notes = Box::leak(Box::default());
    let builder = Broker::builder().with(Noting("outer", notes)).with(Noting("inner", notes));
    let broker = TestBroker::from_builder(builder);
    plain::send(&broker).await.unwrap();
    broker.worker().actors(actors![plain]).run_until_done().await.unwrap();
    let notes = notes.lock().unwrap().clone();
    let ends: Vec<_> = notes.iter().filter(|note| note.contains(" ends ")).map(|note| &note[..15]).collect();
    // Whoever has failed is not asked again about the same run.
    assert_eq!(ends, ["outer ends Valu", "inner ends Fail", "outer ends Valu", "inner ends Fail"]);
    let steps: Vec<_> = notes.iter().filter(|note| !note.contains(" ends ")).take(4).collect();
    assert_eq!(steps, ["outer goes in, 1", "inner goes in, 1", "inner comes out", "outer comes out"]);
    let reason = broker.dead_letters("default").await.remove(0).reason.unwrap();
    assert_eq!(reason, "the hook `ending` of `worker::middleware::Noting` failed: not good enough");
}

/// Goes around nothing.
struct Forgetful;

impl Middleware for Forgetful {
    fn around(&self, _: &Run<'_>, _: &mut dyn FnMut()) {}
}

#[actor(max_retries = 0)]
async fn plain_async() {}

#[tokio::test]
async fn a_hook_that_does_not_call_its_step_fails_its_message() {
    let broker = TestBroker::from_builder(Broker::builder().with(Forgetful));
    plain::message().max_retries(0).send(&broker).await.unwrap();
    plain_async::send(&broker).await.unwrap();
    broker.worker().actors(actors![plain, plain_async]).run_until_done().await.unwrap();
    let reasons: Vec<_> =
        broker.dead_letters("default").await.into_iter().map(|letter| letter.reason.unwrap()).collect();
    assert_eq!(reasons, ["the hook `around` of `worker::middleware::Forgetful` did not call its step"; 2]);
}
