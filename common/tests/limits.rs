//! Limits of time: runs that take too long, messages that are too old, and runs that are told that their worker stops.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor::{Actor as _, Declaration, Interrupted, LimitOptions, TimeLimit, actors};
use common::broker::Broker;
use common::clock::Stopwatch;
use common::message::{Raw, option};
use common::middleware::RunLimits;
use common::queue_name::QueueName;
use common::store::Counts;
use common::testing::TestBroker;
use common::worker::{RunningWorker, Shutdown, Worker};
use common::{Context, actor};

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(60);

type Told = Mutex<Sender<String>>;
type Gate = Mutex<Receiver<()>>;

fn tell(told: &Told, what: &str) {
    told.lock().unwrap().send(what.to_owned()).unwrap();
}

/// Never ends by itself.
#[actor(max_retries = 0)]
async fn hang(told: &Told, name: String) {
    tell(told, &name);
    std::future::pending::<()>().await;
}

/// Ends when it is told to, well or not.
#[actor(max_retries = 0)]
async fn listen(context: &Context, told: &Told, name: String, fails: bool) -> Result<(), String> {
    tell(told, &name);
    context.cancelled().await;
    tell(told, &format!("{name}: {:?}, {:?} left", context.cause(), context.time_left()));
    if fails { Err("told to end".to_owned()) } else { Ok(()) }
}

/// Looks whether it should end, now and then.
#[actor(max_retries = 0)]
fn look(context: &Context, told: &Told) -> Result<(), Interrupted> {
    tell(told, "looks");
    loop {
        context.check()?;
        std::thread::yield_now();
    }
}

/// Listens to nobody until a gate opens.
#[actor(max_retries = 0)]
fn block(told: &Told, gate: &Gate, name: String) {
    tell(told, &name);
    gate.lock().unwrap().recv().unwrap();
    tell(told, &format!("{name} ends"));
}

#[actor]
fn quick(told: &Told, name: String) {
    tell(told, &name);
}

#[actor]
fn hear(told: &Told, _message: serde_json::Value, about: serde_json::Value) {
    tell(told, &format!("heard of {}", about["type"].as_str().unwrap()));
}

/// A broker in memory, and a worker that runs.
struct Stage {
    broker: Broker,
    worker: RunningWorker,
    told: Receiver<String>,
    open: Sender<()>,
}

impl Stage {
    async fn start(threads: u16) -> Self {
        Self::with(RunLimits::default(), threads).await
    }

    async fn with(limits: RunLimits, threads: u16) -> Self {
        let broker = Broker::builder().run_limits(limits).connect("memory:").await.unwrap();
        let ((told, heard), (open, gate)) = (channel(), channel());
        let actors = actors![hang, listen, look, block, quick, hear];
        let worker = Worker::new(broker.clone()).actors(actors).state(Mutex::new(told)).state(Mutex::new(gate));
        let worker = worker.threads(threads.into()).prefetch(2).start();
        worker.ready().await.unwrap();
        Self { broker, worker, told: heard, open }
    }

    fn next(&self) -> String {
        self.told.recv_timeout(DEADLINE).expect("an actor tells something")
    }

    async fn until(&self, what: &str, is_so: impl Fn(Counts) -> bool) {
        let watch = Stopwatch::start();
        while !is_so(self.counts().await) {
            assert!(watch.elapsed() < DEADLINE, "{what}: {:?}", self.counts().await);
            tokio::task::yield_now().await;
        }
    }

    async fn counts(&self) -> Counts {
        self.broker.counts(&QueueName::default()).await.unwrap()
    }

    async fn reasons(&self) -> Vec<String> {
        let letters = self.broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap();
        letters.into_iter().map(|letter| letter.reason.unwrap_or_default()).collect()
    }

    async fn end(self) -> Shutdown {
        self.worker.stop();
        self.worker.join().await.unwrap()
    }
}

const SHORT: Duration = Duration::from_millis(100);

const TIMED_OUT: &str = "it has run for longer than its time limit of 100 ms";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_async_run_that_takes_too_long_is_told_and_dropped_a_second_later() {
    let stage = Stage::start(1).await;
    let watch = Stopwatch::start();
    hang::message("hangs").time_limit(SHORT).on_failure::<hear>().send(&stage.broker).await.unwrap();
    assert_eq!([stage.next(), stage.next()], ["hangs", "heard of TimeLimitExceeded"]);
    assert!(watch.elapsed() >= Duration::from_secs(1), "it had its time to end by itself");
    stage.until("it is dead", |counts| counts.dead == 1 && counts.claimed == 0).await;
    assert_eq!(stage.reasons().await, [TIMED_OUT]);
    assert_eq!(stage.end().await, Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_comes_to_that_ends_when_it_is_told_counts_as_it_is() {
    let stage = Stage::start(1).await;
    let listening = |name: &str, fails| listen::message(name, fails).time_limit(SHORT);
    listening("well", false).send(&stage.broker).await.unwrap();
    assert_eq!([stage.next(), stage.next()], ["well", "well: Some(TimeLimit), Some(0ns) left"]);
    stage.until("it is done", |counts| counts == Counts::default()).await;
    listening("ill", true).send(&stage.broker).await.unwrap();
    assert_eq!([stage.next(), stage.next()], ["ill", "ill: Some(TimeLimit), Some(0ns) left"]);
    look::message().time_limit(SHORT).send(&stage.broker).await.unwrap();
    assert_eq!(stage.next(), "looks");
    stage.until("they are dead", |counts| counts.dead == 2 && counts.claimed == 0).await;
    let interrupted = "this run should end: it has run for longer than its time limit";
    assert_eq!(stage.reasons().await, ["told to end", interrupted]);
    assert_eq!(stage.end().await, Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_is_stuck_costs_no_slot_and_its_late_end_counts_for_nothing() {
    let stage = Stage::start(2).await;
    block::message("stuck").time_limit(SHORT).on_failure::<hear>().send(&stage.broker).await.unwrap();
    assert_eq!([stage.next(), stage.next()], ["stuck", "heard of TimeLimitExceeded"]);
    stage.until("it is dead", |counts| counts.dead == 1 && counts.claimed == 0).await;
    assert_eq!(stage.reasons().await, [TIMED_OUT]);
    // Both slots work beside it.
    for name in ["one", "two"] {
        block::send(&stage.broker, name).await.unwrap();
    }
    stage.until("both run", |counts| counts.claimed == 2).await;
    let mut begun = [stage.next()];
    begun.sort();
    for _ in 0..3 {
        stage.open.send(()).unwrap();
    }
    let mut told: Vec<_> = (0..4).map(|_| stage.next()).chain(begun).collect();
    told.sort();
    assert_eq!(told, ["one", "one ends", "stuck ends", "two", "two ends"]);
    stage.until("nothing is left", |counts| counts == Counts { dead: 1, ..Counts::default() }).await;
    // A slot is still one.
    quick::send(&stage.broker, "quick").await.unwrap();
    assert_eq!(stage.next(), "quick");
    assert_eq!(stage.end().await, Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_slots_are_all_stuck_ends_and_leaves_the_rest_to_others() {
    let stage = Stage::start(1).await;
    block::message("stuck").time_limit(SHORT).send(&stage.broker).await.unwrap();
    assert_eq!(stage.next(), "stuck");
    for name in ["one", "two"] {
        quick::send(&stage.broker, name).await.unwrap();
    }
    let Stage { broker, worker, told, open } = stage;
    assert_eq!(worker.join().await.unwrap(), Shutdown::Stuck);
    let counts = broker.counts(&QueueName::default()).await.unwrap();
    assert_eq!(counts, Counts { ready: 2, dead: 1, ..Counts::default() });
    assert!(told.try_recv().is_err());
    drop(open);
}

#[tokio::test]
async fn a_message_that_is_too_old_is_dead_lettered_unrun() {
    let broker = TestBroker::new();
    let (told, heard) = channel::<String>();
    let told = Mutex::new(told);
    let hour = Duration::from_secs(3_600);
    quick::message("young").max_age(2 * hour).delay(hour).send(&broker).await.unwrap();
    quick::message("old").max_age(hour).delay(hour).send(&broker).await.unwrap();
    quick::message("of any age").delay(hour).option(option::MAX_AGE, Raw::NULL).send(&broker).await.unwrap();
    broker.worker().actors(actors![quick, hear]).state(told).run_until_done().await.unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["young", "of any age"]);
    let letters = broker.dead_letters("default").await;
    let reason = letters[0].reason.as_deref().unwrap();
    assert_eq!((letters.len(), reason), (1, "it is 1 h old, and its max_age is 1 h"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_wants_to_know_is_told_of_a_stop_and_uses_no_retry() {
    for (call, said) in [
        (listen::message("ill", true).untyped(), Some("ill: Some(Shutdown), Some(")),
        (hang::message("hangs").untyped(), None),
        (look::message().untyped(), None),
    ] {
        let stage = Stage::start(1).await;
        let sent = call.notify_shutdown(true).send(&stage.broker).await.unwrap();
        stage.next();
        stage.worker.stop();
        if let Some(said) = said {
            let line = stage.next();
            assert!(line.starts_with(said), "{line}");
        }
        let broker = stage.broker.clone();
        assert_eq!(stage.end().await, Shutdown::Clean, "{}", *sent);
        let found = broker.find(sent.message_id.as_str(), 0).await.unwrap();
        let message = common::Message::decode(&found[0].bytes, broker.clock().now()).unwrap();
        assert_eq!(message.retries(), 0, "{message}");
        assert_eq!(broker.counts(&QueueName::default()).await.unwrap(), Counts { ready: 1, ..Counts::default() });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ends_well_though_its_worker_stops_is_done() {
    let stage = Stage::start(1).await;
    listen::message("well", false).notify_shutdown(true).send(&stage.broker).await.unwrap();
    assert_eq!(stage.next(), "well");
    let broker = stage.broker.clone();
    assert_eq!(stage.end().await, Shutdown::Clean);
    assert_eq!(broker.counts(&QueueName::default()).await.unwrap(), Counts::default());
}

#[actor(time_limit = "1h", max_age = "2d", notify_shutdown = true)]
fn limited() {}

#[actor(time_limit = "none", max_age = "none", notify_shutdown = false)]
fn unlimited() {}

#[test]
fn an_actor_says_what_its_limits_are() {
    let limits = |declaration: &Declaration| {
        let LimitOptions { time_limit, max_age, notify_shutdown } = declaration.limits;
        (time_limit.map(TimeLimit::time), max_age.map(TimeLimit::time), notify_shutdown)
    };
    let (hour, days) = (Duration::from_secs(3_600), Duration::from_secs(2 * 86_400));
    assert_eq!(limits(limited::DECLARATION), (Some(Some(hour)), Some(Some(days)), Some(true)));
    assert_eq!(limits(unlimited::DECLARATION), (Some(None), Some(None), Some(false)));
    assert_eq!(limits(quick::DECLARATION), (None, None, None));
}
