//! What a worker does with messages.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::actor::{Context, actors};
use common::message::Raw;
use common::middleware::{Decision, HookError, Middleware, Run};
use common::outcome::Retry;
use common::queue_name::QueueName;
use common::worker::Worker;
use common::{actor, error::WorkerError};
use serde::{Deserialize, Serialize};

use super::kit::{Told, broker, builder, ears, next, start, start_with, tell};

#[actor]
pub(super) fn say(told: &Told, what: String) {
    tell(told, what);
}

#[actor]
pub(super) async fn say_async(told: &Told, what: String) {
    tell(told, what);
}

#[actor]
fn fail(told: &Told, context: &Context) -> Result<(), String> {
    tell(told, format!("attempt {}", context.attempt()));
    Err("always".to_owned())
}

#[actor]
fn panic_once(told: &Told, context: &Context) {
    assert!(context.attempt() > 1, "the first attempt");
    tell(told, "survived");
}

#[actor]
fn ask_again(told: &Told, context: &Context) -> Result<(), Retry> {
    tell(told, format!("attempt {}", context.attempt()));
    if context.attempt() < 3 { Err(Retry::after(Duration::from_secs(100))) } else { Ok(()) }
}

#[actor(throws = "expected", max_retries = 5)]
fn throw() -> Result<(), &'static str> {
    Err("expected")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_run_in_the_order_of_priority_and_arrival() {
    let broker = broker().await;
    let (told, heard) = ears();
    for (what, priority) in [("c", 0), ("d", 0), ("e", 5), ("a", -5), ("b", -5)] {
        say::message(what).priority(priority).send(&broker).await.unwrap();
    }
    let worker = start_with(Worker::new(broker).threads(1).actors(actors![say]).state(told));
    let order: String = (0..5).map(|_| next(&heard)).collect();
    assert_eq!(order, "abcde");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_and_async_actors_share_the_slots() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start_with(Worker::new(broker.clone()).threads(2).actors(actors![say, say_async]).state(told));
    let mut expected = Vec::new();
    for number in 0..100 {
        expected.push(number.to_string());
        if number % 3 == 0 {
            say::send(&broker, number.to_string()).await.unwrap();
        } else {
            say_async::send(&broker, number.to_string()).await.unwrap();
        }
    }
    let mut seen: Vec<_> = (0..100).map(|_| next(&heard)).collect();
    seen.sort_by_key(|number| number.parse::<u32>().unwrap());
    assert_eq!(seen, expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_retries_with_their_days_of_back_off_run_in_virtual_time() {
    let broker = broker().await;
    let (told, heard) = ears();
    let sent = fail::send(&broker).await.unwrap();
    let worker = start(&broker, actors![fail], told);
    for attempt in 1..=21 {
        assert_eq!(next(&heard), format!("attempt {attempt}"));
        worker.settle("its end is stored", |counts| counts.claimed == 0).await;
        if attempt <= 20 {
            broker.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
        }
    }
    worker.settle("the message is dead", |counts| counts.dead == 1).await;
    let letter = broker.dead_letters(&QueueName::default(), 0, 1).await.unwrap().remove(0);
    let dead = common::message::Message::decode(&letter.bytes, broker.clock().now()).unwrap();
    assert_eq!(dead.message_id, sent.message_id);
    assert_eq!(dead.retries(), 20);
    assert_eq!(dead.options.read::<String>("traceback").unwrap(), "always");
    assert_eq!(letter.reason.as_deref(), Some("always"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messages_own_options_count_before_its_actors() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![fail], told);
    fail::message().max_retries(1).min_backoff(Duration::ZERO).send(&broker).await.unwrap();
    assert_eq!(next(&heard), "attempt 1");
    assert_eq!(next(&heard), "attempt 2");
    worker.settle("the message is dead", |counts| counts.dead == 1).await;
    worker.stop().await;
}

#[actor(max_retries = "unlimited", min_backoff = "0s", max_backoff = "0s")]
fn fail_for_long(told: &Told, context: &Context, times: u32) -> Result<(), String> {
    if context.attempt() <= times {
        return Err("again".to_owned());
    }
    tell(told, format!("attempt {}", context.attempt()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_or_a_message_may_be_retried_without_end() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![fail_for_long], told);
    fail_for_long::send(&broker, 100).await.unwrap();
    assert_eq!(next(&heard), "attempt 101");
    fail_for_long::message(30).max_retries(20).unlimited_retries().send(&broker).await.unwrap();
    assert_eq!(next(&heard), "attempt 31");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messages_limit_of_retries_is_a_number_of_any_kind() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![fail], told);
    for (limit, attempts) in [("-1", 1), ("1.0", 2), ("2.5", 4), ("false", 1), ("\"1\"", 21), ("1000000000000", 30)] {
        let limit = Raw::parse(limit).unwrap();
        let call = fail::message().option("max_retries", limit.clone()).option("retries", Raw::parse("0.0").unwrap());
        call.min_backoff(Duration::ZERO).max_backoff(Duration::ZERO).send(&broker).await.unwrap();
        for attempt in 1..=attempts {
            assert_eq!(next(&heard), format!("attempt {attempt}"), "{limit}");
        }
        if attempts == 30 {
            // That one has no end.
            break;
        }
        worker
            .settle("it is dead", |counts| counts.dead > 0 && counts.claimed + counts.ready + counts.delayed == 0)
            .await;
        assert_eq!(heard.try_iter().count(), 0, "{limit}");
    }
    worker.stopper.stop();
    worker.ended().await;
}

#[actor]
fn measure(told: &Told, whole: f64, inner: Option<f64>, list: Vec<Point>) {
    tell(told, format!("{whole} {inner:?} {list:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_float_that_is_no_number_is_refused_where_it_could_not_travel() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![measure], told);
    measure::send(&broker, f64::INFINITY, None, vec![]).await.unwrap();
    assert_eq!(next(&heard), "inf None []");
    let refused = measure::send(&broker, 0.0, Some(f64::NAN), vec![]).await.unwrap_err().to_string();
    let why = "is no number that JSON knows: it can travel as a whole argument only";
    assert_eq!(refused, format!("`measure` cannot be sent: its argument `inner` has no JSON form: NaN {why}"));
    let points = vec![Point { x: 0, y: 1.0 }, Point { x: 1, y: f64::NEG_INFINITY }];
    let refused = measure::message(0.0, None, points).send(&broker).await.unwrap_err().to_string();
    let argument = "`measure` cannot be sent: its argument `list` has no JSON form: -Infinity at [1].y";
    assert_eq!(refused, format!("{argument} {why}"));
    // Python can send it, and it is read.
    let mut message = measure::message(0.0, None, vec![]).message(broker.clock().now()).unwrap();
    message.args = ["0.5", "NaN", r#"[{"x":1,"y":Infinity}]"#].map(|text| Raw::parse(text).unwrap()).to_vec();
    broker.enqueue(vec![message]).await.unwrap();
    assert_eq!(next(&heard), "0.5 Some(NaN) [Point { x: 1, y: inf }]");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_cannot_have_a_name_that_is_taken() {
    let broker = broker().await;
    for name in ["__heartbeats__", "mail.msgs", "mail@held", "mail.XQ.DQ"] {
        let mut message = say::message("x").message(broker.clock().now()).unwrap();
        message.queue_name = QueueName::canonical(name);
        let error = broker.enqueue(vec![message]).await.unwrap_err();
        assert!(matches!(error, common::error::EnqueueError::Queue { .. }), "{name}: {error}");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: f64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Colour {
    Red,
    Blue,
}

#[actor]
fn draw(told: &Told, points: Vec<Point>, label: Option<String>, first: Point, colour: Colour) {
    tell(told, format!("{points:?} {label:?} {first:?} {colour:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_serde_knows_travels() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![draw]).state(told));
    let point = |x| Point { x, y: 0.1 };
    draw::send(&broker, vec![point(1), point(2)], Some("é".to_owned()), point(-3), Colour::Red).await.unwrap();
    draw::send(&broker, vec![], None, point(0), Colour::Blue).await.unwrap();
    let first = "[Point { x: 1, y: 0.1 }, Point { x: 2, y: 0.1 }] Some(\"é\") Point { x: -3, y: 0.1 } Red";
    assert_eq!(next(&heard), first);
    assert_eq!(next(&heard), "[] None Point { x: 0, y: 0.1 } Blue");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_a_failure_and_the_slot_lives_on() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![panic_once, say]).state(told));
    panic_once::message().min_backoff(Duration::ZERO).send(&broker).await.unwrap();
    assert_eq!(next(&heard), "survived");
    say::send(&broker, "still here").await.unwrap();
    assert_eq!(next(&heard), "still here");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_asks_for_another_attempt_at_its_own_delay() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![ask_again], told);
    ask_again::send(&broker).await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(next(&heard), format!("attempt {attempt}"));
        worker.settle("its end is stored", |counts| counts.claimed == 0).await;
        broker.clock().advance(Duration::from_secs(100));
    }
    worker.settle("it is done", |counts| counts.delayed + counts.dead == 0).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expected_error_is_not_retried() {
    let broker = broker().await;
    let (told, _heard) = ears();
    let worker = start(&broker, actors![throw], told);
    throw::send(&broker).await.unwrap();
    worker.settle("it is dead at once", |counts| counts.dead == 1).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_runs_at_its_time() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![say], told);
    say::message("later").delay(Duration::from_secs(60)).send(&broker).await.unwrap();
    let noon = broker.clock().now() + Duration::from_secs(30);
    say::message("sooner").at(noon).send(&broker).await.unwrap();
    say::send(&broker, "now").await.unwrap();
    assert_eq!(next(&heard), "now");
    broker.clock().advance(Duration::from_secs(30));
    assert_eq!(next(&heard), "sooner");
    broker.clock().advance(Duration::from_secs(30));
    assert_eq!(next(&heard), "later");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_run_becomes_a_dead_letter_with_its_reason() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(2).actors(actors![say]).state(told);
    let worker = start_with(worker.unknown_actor_timeout(Duration::ZERO));
    fail::send(&broker).await.unwrap();
    let mut wrong = say::message("x").message(broker.clock().now()).unwrap();
    wrong.args.push(Raw::from(1_u32));
    broker.enqueue(vec![wrong]).await.unwrap();
    say::send(&broker, "neighbour").await.unwrap();
    assert_eq!(next(&heard), "neighbour");
    worker.settle("both are dead", |counts| counts.dead == 2).await;
    let letters = broker.dead_letters(&QueueName::default(), 0, 2).await.unwrap();
    let mut reasons: Vec<_> = letters.into_iter().map(|letter| letter.reason.unwrap()).collect();
    reasons.sort();
    assert_eq!(reasons[0], "2 arguments given, but it takes (what: String)");
    assert_eq!(reasons[1], "no actor `fail` in this worker, which consumes queue default");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_found_before_the_first_message() {
    let broker = broker().await;
    let run = |worker: Worker| async move { worker.run().await.unwrap_err() };
    let missing = run(Worker::new(broker.clone()).actors(actors![say]).state(5_u8)).await.to_string();
    assert!(missing.starts_with("`say` needs `&Mutex<Sender<String>>`; its state has `Broker`, `u8`"), "{missing}");
    let twice = run(Worker::new(broker.clone()).actors(actors![say, say])).await.to_string();
    assert!(twice.starts_with("two actors are called `say`: one at common/tests/worker/runs.rs:"), "{twice}");
    assert_eq!(run(Worker::new(broker.clone())).await, WorkerError::NoActors);
    let none = run(Worker::new(broker.clone()).actors(actors![throw]).threads(0)).await.to_string();
    assert_eq!(none, "the number of threads has to be from 1 to 10000, not 0");
    let hoard = run(Worker::new(broker.clone()).actors(actors![throw]).prefetch(10_001)).await.to_string();
    assert_eq!(hoard, "the prefetch has to be from 0 to 10000, not 10001");
    let lent = run(Worker::new(broker).actors(actors![throw]).state(1_u8).state(2_u8)).await;
    assert_eq!(lent, WorkerError::StateTwice("u8".to_owned()));
}

struct Stamp(AtomicU32);

impl Middleware for Stamp {
    fn before_enqueue(&self, message: &mut common::message::Message) -> Result<(), HookError> {
        message.options.set("stamp", Raw::from(self.0.fetch_add(1, Ordering::Relaxed)));
        Ok(())
    }

    fn before_run(&self, run: &Run<'_>) -> Decision {
        let is_first = run.message.options.read::<u32>("stamp") == Some(1);
        if is_first { Decision::Reject("stamped 1".to_owned()) } else { Decision::Run }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middleware_sees_messages_on_their_way_in_and_before_they_run() {
    let broker = builder().with(Stamp(AtomicU32::new(0))).connect("memory:").await.unwrap();
    let (told, heard) = ears();
    for what in ["zero", "one", "two"] {
        say::send(&broker, what).await.unwrap();
    }
    let worker = start_with(Worker::new(broker.clone()).threads(1).actors(actors![say]).state(told));
    assert_eq!([next(&heard), next(&heard)], ["zero", "two"]);
    worker.settle("one is dead", |counts| counts.dead == 1).await;
    worker.stop().await;
}
