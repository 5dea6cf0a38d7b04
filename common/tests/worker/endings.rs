//! What dies without a run ends like anything: hooks, callbacks, results and observers hear of it.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::Clock;
use common::error::{DecodeError, StoreError};
use common::message::{Message, Raw};
use common::middleware::{Decision, End, HookError, Middleware, Run};
use common::observe::{Observer, Report, Settled};
use common::outcome::{DeathCause, Outcome};
use common::queue_name::QueueName;
use common::results::Stored;
use common::store::{
    Boxed, Cancelled, Completion, FetchRequest, Fetched, Inspect, MAX_CRASHES, Registration, Store, Undecodable,
    delegate,
};
use common::stores::memory::MemoryStore;
use common::testing::TestBroker;
use common::worker::Worker;

use super::kit::{Told, ears, next, start_with, tell};

/// Delivers what somebody has done to a message: made it a killer of workers, or no message.
#[derive(Debug)]
struct Tampering(MemoryStore);

impl Store for Tampering {
    delegate!(Store to self.0, except [fetch]);

    fn fetch<'a>(
        &'a self,
        registration: &'a Registration,
        requests: &'a [FetchRequest],
        limit: usize,
    ) -> Boxed<'a, Result<Fetched, StoreError>> {
        Box::pin(async move {
            let mut fetched = self.0.fetch(registration, requests, limit).await?;
            for delivery in &mut fetched.deliveries {
                let Ok(message) = &delivery.body else { continue };
                match message.options.read::<String>("die").as_deref() {
                    Some("Crashes") => delivery.crashes = MAX_CRASHES,
                    Some("Undecodable") => {
                        let (bytes, error) = (b"no message".to_vec(), DecodeError::NotAMessage("no JSON".to_owned()));
                        delivery.body = Err(Undecodable { bytes, error });
                    }
                    _ => {}
                }
            }
            Ok(fetched)
        })
    }
}

impl Inspect for Tampering {
    delegate!(Inspect to self.0);
}

tokio::task_local! {
    static TENANT: String;
}

/// Knows whose message it is, refuses what asks for that, and tells what it hears.
struct Hearing(Mutex<Sender<String>>);

impl Middleware for Hearing {
    fn before_enqueue(&self, message: &mut Message) -> Result<(), HookError> {
        let tenant = TENANT.try_with(String::clone).map_err(|_| "no tenant")?;
        message.options.set("tenant", Raw::from(tenant.as_str()));
        Ok(())
    }

    fn before_run(&self, run: &Run<'_>) -> Decision {
        match run.message.options.read::<String>("die").as_deref() {
            Some("Rejected") => Decision::Reject("as it asked".to_owned()),
            _ => Decision::Run,
        }
    }

    fn around(&self, run: &Run<'_>, step: &mut dyn FnMut()) {
        TENANT.sync_scope(run.message.options.read("tenant").unwrap_or_default(), step);
    }

    fn ending(&self, end: &End<'_>, _: &mut Completion) -> Result<(), HookError> {
        let kind = end.outcome.problem().map_or("none", |(kind, _)| kind);
        let (message, actor) = (end.message.is_some(), end.run.map(|run| run.actor.name));
        self.0.lock().unwrap().send(format!("{kind} message {message} actor {actor:?}")).unwrap();
        Ok(())
    }
}

/// Tells of every death.
struct Reporting(Mutex<Sender<(Settled, Outcome, Option<u32>)>>);

impl Observer for Reporting {
    fn observe(&self, report: &Report) {
        if let Settled::Dead(_) = report.settled {
            let told = (report.settled.clone(), report.outcome.clone(), report.attempt);
            self.0.lock().unwrap().send(told).unwrap();
        }
    }
}

#[actor(on_failure = hear, store_results = true)]
fn work() {}

#[actor]
fn hear(told: &Told, message: serde_json::Value, error: serde_json::Value) {
    tell(told, format!("{} {} {}", message["actor_name"], error["type"], error["message"]));
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_death_reaches_hooks_callbacks_results_and_observers() {
    let (hooks, ended) = channel();
    let (reports, reported) = channel();
    let clock = Clock::system();
    let broker = Broker::builder()
        .clock(clock.clone())
        .with(Hearing(Mutex::new(hooks)))
        .observer(Reporting(Mutex::new(reports)))
        .on_store(Tampering(MemoryStore::new(clock)))
        .unwrap();
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(1).actors(actors![work, hear]).state(told);
    let worker = start_with(worker.unknown_actor_timeout(Duration::ZERO));

    let unknown = "no actor `no_such_actor` in this worker, which consumes queue default";
    let deaths = [
        ("Rejected", "as it asked", "message true actor Some(\"work\")"),
        ("Crashes", "its worker died 5 times", "message true actor Some(\"work\")"),
    ];
    for (kind, reason, seen) in deaths {
        let call = work::message().option("die", Raw::from(kind));
        let sent = TENANT.scope("ada".to_owned(), async { call.send(&broker).await.unwrap() }).await;
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), format!("{kind} {seen}"));
        assert_eq!(next(&heard), format!(r#""work" "{kind}" "{reason}""#));
        let stored = broker.wait_for_result(&sent, PATIENCE).await.unwrap();
        assert_eq!(stored, Stored::Failed { kind: kind.to_owned(), text: reason.to_owned() });
        let (settled, outcome, attempt) = reported.recv_timeout(PATIENCE).unwrap();
        assert_eq!((settled, attempt), (Settled::Dead(reason.to_owned()), Some(1)));
        assert_eq!(outcome.problem(), Some((kind, reason)));
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), "none message true actor Some(\"hear\")");
    }

    // Nobody here has declared anything of this actor; what the message says counts.
    let mut message = Message::new(QueueName::default(), "no_such_actor", Vec::new(), broker.clock().now());
    message.options.set("on_failure", Raw::from("hear"));
    message.options.set("store_results", Raw::from(true));
    let sent = TENANT.scope("ada".to_owned(), broker.enqueue(vec![message])).await.unwrap().remove(0);
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), "UnknownActor message true actor None");
    let stored = broker.wait_for_result(&sent, PATIENCE).await.unwrap();
    assert!(
        matches!(&stored, Stored::Failed { kind, text } if kind == "UnknownActor" && text.starts_with(unknown)),
        "{stored:?}"
    );
    let (settled, ..) = reported.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(settled, Settled::Dead(reason) if reason.starts_with(unknown)));

    let call = work::message().option("die", Raw::from("Undecodable"));
    TENANT.scope("ada".to_owned(), async { call.send(&broker).await.unwrap() }).await;
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), "Undecodable message false actor None");
    let (_, outcome, attempt) = reported.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(outcome, Outcome::Condemned(DeathCause::Undecodable, _)), "{outcome:?}");
    assert_eq!(attempt, None);

    // It dies at once, and a beat of the worker comes to know of it.
    let call = work::message().delay(PATIENCE);
    let sent = TENANT.scope("ada".to_owned(), async { call.send(&broker).await.unwrap() }).await;
    let found = broker.find(sent.message_id.as_str(), 0).await.unwrap();
    assert_eq!(broker.cancel(&found[0], "cancelled by hand").await, Ok(Some(Cancelled::Delayed)));
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), "Cancelled message true actor Some(\"work\")");
    assert_eq!(next(&heard), r#""work" "Cancelled" "cancelled by hand""#);
    let stored = broker.wait_for_result(&sent, PATIENCE).await.unwrap();
    assert_eq!(stored, Stored::Failed { kind: "Cancelled".to_owned(), text: "cancelled by hand".to_owned() });
    let (settled, ..) = reported.recv_timeout(PATIENCE).unwrap();
    assert_eq!(settled, Settled::Dead("cancelled by hand".to_owned()));
    worker.stop().await;
    assert_eq!(broker.counts(&QueueName::default()).await.unwrap().dead, 5);
}

/// Panics at every end, or waits for a word.
struct Holding(Mutex<std::sync::mpsc::Receiver<()>>);

impl Middleware for Holding {
    fn ending(&self, end: &End<'_>, _: &mut Completion) -> Result<(), HookError> {
        if let Outcome::Condemned(..) = end.outcome {
            self.0.lock().unwrap().recv_timeout(PATIENCE).map_err(|_| "nobody lets it go")?;
            panic!("at the end");
        }
        Ok(())
    }
}

#[actor]
fn go_on(told: &Told) {
    tell(told, "gone on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_takes_long_at_a_death_holds_up_neither_slots_nor_the_worker_and_a_stop_waits_for_it() {
    let (let_go, held) = channel();
    let clock = Clock::system();
    let builder = Broker::builder().clock(clock.clone()).with(Holding(Mutex::new(held)));
    let broker = builder.on_store(Tampering(MemoryStore::new(clock))).unwrap();
    let (told, heard) = ears();
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![work, go_on]).state(told));
    work::message().option("die", Raw::from("Crashes")).send(&broker).await.unwrap();
    go_on::send(&broker).await.unwrap();
    assert_eq!(next(&heard), "gone on");
    worker.stopper.stop();
    let_go.send(()).unwrap();
    worker.stop().await;
    let letters = broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap();
    let reasons: Vec<_> = letters.iter().filter_map(|letter| letter.reason.as_deref()).collect();
    assert_eq!(reasons, ["its worker died 5 times"], "what died stays dead, whatever hooks make of it");
}

#[actor]
fn unrelated() {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_leaves_an_end_to_one_that_knows_the_actor() {
    let broker = TestBroker::new();
    let sent = work::send(&broker).await.unwrap();
    let found = broker.find(sent.message_id.as_str(), 0).await.unwrap();
    assert_eq!(broker.cancel(&found[0], "cancelled by hand").await, Ok(Some(Cancelled::Ready)));
    broker.worker().actors(actors![unrelated]).run_until_done().await.unwrap();
    assert_eq!(broker.result(&sent).await, Ok(None));
    let (told, heard) = ears();
    broker.worker().actors(actors![work, hear]).state(told).run_until_done().await.unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [r#""work" "Cancelled" "cancelled by hand""#]);
    let stored = Stored::Failed { kind: "Cancelled".to_owned(), text: "cancelled by hand".to_owned() };
    assert_eq!(broker.result(&sent).await, Ok(Some(stored)));
}
