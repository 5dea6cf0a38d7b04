//! What a worker promises on a real Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::actor;
use common::actor::{Declaration, actors};
use common::broker::Broker;
use common::clock::{Clock, Timestamp};
use common::message::{Entries, Message, MessageId, Raw, option};
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Counts};
use common::worker::{Shutdown, Stopper, Worker};
use tests::{process::PATIENCE, queue::message, redis::Server};
use tokio::task::JoinHandle;

type Told = Mutex<Sender<(String, Instant)>>;

/// How long what happens at once takes, where nothing else keeps the processors busy.
const AT_ONCE: Duration = Duration::from_millis(100);

#[actor]
fn say(told: &Told, what: String) {
    told.lock().expect("the test").send((what, now())).expect("the test");
}

#[expect(clippy::disallowed_methods, reason = "a test measures what a user would notice")]
fn now() -> Instant {
    Instant::now()
}

fn ears() -> (Told, Receiver<(String, Instant)>) {
    let (told, heard) = channel();
    (Mutex::new(told), heard)
}

fn next(heard: &Receiver<(String, Instant)>) -> (String, Instant) {
    heard.recv_timeout(PATIENCE).expect("an actor tells something")
}

async fn broker(url: &str, namespace: &str) -> Broker {
    Broker::builder().namespace(namespace).connect(url).await.expect("the Redis of the tests")
}

struct Running {
    stopper: Stopper,
    run: JoinHandle<Shutdown>,
}

impl Running {
    async fn start(worker: Worker) -> Self {
        let (ready, started) = tokio::sync::oneshot::channel();
        let worker = worker.on_ready(move || {
            let _ = ready.send(());
        });
        let stopper = worker.stopper();
        let run = tokio::spawn(async move { worker.run().await.expect("a worker without mistakes") });
        started.await.expect("the worker gets ready");
        Self { stopper, run }
    }

    async fn stop(self) {
        self.stopper.stop();
        assert_eq!(self.run.await.expect("no panic"), Shutdown::Clean);
    }
}

async fn settle(broker: &Broker, what: &str, settled: impl Fn(Counts) -> bool) {
    let started = now();
    loop {
        let counts = broker.counts(&QueueName::default()).await.expect("counts");
        if settled(counts) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}, but {counts:?}");
        tokio::task::yield_now().await;
    }
}

/// Everything that clients send for a while, from the first beat on; what a script does inside does not count.
fn monitor(server: &Server, period: Duration) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server");
    stream.write_all(b"MONITOR\r\n").expect("the server");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
    let (mut reader, mut started, mut lines) = (BufReader::new(stream), None, Vec::new());
    let mut line = String::new();
    while started.is_none_or(|started: Instant| started.elapsed() < period) {
        // A time limit keeps what it has read so far in `line`.
        if reader.read_line(&mut line).is_ok() && line.ends_with('\n') {
            if started.is_none() && line.contains("EVALSHA") {
                started = Some(now());
            }
            if started.is_some() {
                lines.push(std::mem::take(&mut line));
            }
            line.clear();
        }
    }
    lines.retain(|line| !line.contains(" lua] ") && !line.starts_with("+OK"));
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_hardly_calls_and_is_woken_at_once() {
    let server = Server::start();
    let broker = broker(&server.url(), "idle").await;
    let (told, heard) = ears();
    let worker = Running::start(Worker::new(broker.clone()).actors(actors![say]).state(told)).await;
    say::send(&broker, "warm").await.unwrap();
    next(&heard);
    settle(&broker, "the first message is acknowledged", |counts| counts == Counts::default()).await;

    let period = Duration::from_secs(20);
    let calls = tokio::task::block_in_place(|| monitor(&server, period));
    assert!(!calls.is_empty(), "a worker beats");
    assert!(calls.len() <= 20, "{} calls in {period:?}:\n{}", calls.len(), calls.concat());

    // An own enqueue on its connection, and then a foreign one that knows nothing but dramatiq's layout.
    let mut waits = Vec::new();
    let mut foreign = server.connection();
    for round in 0..10 {
        settle(&broker, "the worker is idle", |counts| counts == Counts::default()).await;
        let sent = now();
        if round % 2 == 0 {
            say::send(&broker, "own").await.unwrap();
        } else {
            enqueue_as_python_would(&mut foreign, "idle", "foreign");
        }
        waits.push(next(&heard).1.duration_since(sent));
    }
    waits.sort_unstable();
    // Each begins just after a beat, or would if only the next one woke the worker. All may be disturbed by whatever else runs here.
    assert!(waits[1] < AT_ONCE && waits[7] < BEAT_INTERVAL / 2, "{waits:?}");
    worker.stop().await;
}

/// The two commands of a complete enqueue, without any script.
fn enqueue_as_python_would(redis: &mut ::redis::Connection, namespace: &str, what: &str) {
    let id = MessageId::random();
    let mut options = Entries::default();
    options.set(option::REDIS_MESSAGE_ID, Raw::from(id.as_str()));
    let message = Message { options, ..message("say", [Raw::from(what)]) };
    let (list, hash) = (format!("{namespace}:default"), format!("{namespace}:default.msgs"));
    let _: () = ::redis::cmd("HSET").arg(hash).arg(id.as_str()).arg(message.encode()).query(redis).unwrap();
    let _: () = ::redis::cmd("RPUSH").arg(list).arg(id.as_str()).query(redis).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_delay_does_not_wait_for_a_beat() {
    let broker = broker(&tests::redis::url(), &tests::redis::namespace()).await;
    let (told, heard) = ears();
    let worker = Running::start(Worker::new(broker.clone()).actors(actors![say]).state(told)).await;
    let mut lateness = Vec::new();
    for _ in 0..5 {
        let (sent, delay) = (now(), Duration::from_millis(150));
        say::message("later").delay(delay).send(&broker).await.unwrap();
        let waited = next(&heard).1.duration_since(sent);
        assert!(waited >= delay, "early: after {waited:?}");
        lateness.push(waited.saturating_sub(delay));
        settle(&broker, "it is acknowledged", |counts| counts == Counts::default()).await;
    }
    lateness.sort_unstable();
    assert!(lateness[0] < AT_ONCE && lateness[2] < BEAT_INTERVAL / 2, "{lateness:?}");
    worker.stop().await;
}

#[actor]
fn say_anew(told: &Told, what: String) {
    say(told, what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_deploy_kills_no_message_of_a_new_actor() {
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let (old, new) = (broker(&url, &namespace).await, broker(&url, &namespace).await);
    let (told, heard) = ears();
    let old_worker = Running::start(Worker::new(old).threads(2).actors(actors![say]).state(ears().0)).await;
    let message = |number: usize| say_anew::message(format!("{number:03}")).message(new.clock().now()).unwrap();
    new.enqueue((0..200).map(message).collect()).await.unwrap();
    settle(&new, "the old worker has met all of them", |counts| counts.delayed == 200).await;
    let new_worker =
        Running::start(Worker::new(new.clone()).threads(2).actors(actors![say, say_anew]).state(told)).await;
    // Both for a while; then the old one goes.
    let mut said = vec![next(&heard).0];
    old_worker.stop().await;
    said.extend((1..200).map(|_| next(&heard).0));
    said.sort();
    assert_eq!(said, (0..200).map(|number| format!("{number:03}")).collect::<Vec<_>>());
    settle(&new, "all are done, and none is dead", |counts| counts == Counts::default()).await;
    new_worker.stop().await;
}

/// Longer than it takes to find a worker dead that does not beat.
const BEYOND_DEATH: Duration = Duration::from_secs(7);

/// How many runs began; and whether the one has ended that spins, which those wait for that block.
#[derive(Default)]
struct Runs(AtomicU32, (Mutex<bool>, Condvar));

impl Runs {
    fn block(&self) {
        let (has_spun, spun) = &self.1;
        drop(spun.wait_while(has_spun.lock().expect("nobody panics with it"), |has_spun| !*has_spun));
    }
}

#[actor]
fn spin(runs: &Arc<Runs>) {
    runs.0.fetch_add(1, Ordering::Relaxed);
    let started = now();
    while started.elapsed() < BEYOND_DEATH {
        std::hint::spin_loop();
    }
    *runs.1.0.lock().expect("nobody panics with it") = true;
    runs.1.1.notify_all();
}

#[actor]
fn block(runs: &Arc<Runs>) {
    runs.0.fetch_add(1, Ordering::Relaxed);
    runs.block();
}

#[actor]
async fn block_the_runtime(runs: &Arc<Runs>) {
    runs.0.fetch_add(1, Ordering::Relaxed);
    runs.block();
}

#[actor(max_retries = 0)]
fn panic_at_once(runs: &Arc<Runs>) {
    runs.0.fetch_add(1, Ordering::Relaxed);
    panic!("as asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_an_actor_does_stops_the_beat() {
    const ACTORS: &[&Declaration] = actors![spin, block, block_the_runtime, panic_at_once];
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let (busy, other) = (broker(&url, &namespace).await, broker(&url, &namespace).await);
    let runs = Arc::<Runs>::default();
    let worker = Running::start(Worker::new(busy.clone()).threads(4).actors(ACTORS).state(runs.clone())).await;
    spin::send(&busy).await.unwrap();
    block::send(&busy).await.unwrap();
    block_the_runtime::send(&busy).await.unwrap();
    panic_at_once::send(&busy).await.unwrap();
    settle(&busy, "the panic is over, the others run", |counts| counts.dead == 1 && counts.claimed == 3).await;
    // Whoever looks at it sees it beat, and robs nobody.
    let survivor = Running::start(Worker::new(other.clone()).actors(ACTORS).state(runs.clone())).await;
    settle(&busy, "all have ended", |counts| counts.claimed + counts.ready == 0).await;
    assert_eq!(runs.0.load(Ordering::Relaxed), 4, "each ran once");
    worker.stop().await;
    survivor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_dies_alone_with_its_bytes() {
    let namespace = tests::redis::namespace();
    let broker = broker(&tests::redis::url(), &namespace).await;
    let mut redis = tests::redis::connection();
    enqueue_as_python_would(&mut redis, &namespace, "before");
    let bad: [&[u8]; 4] = [b"\x80\x04\x95 pickled", b"", b"{\"queue_name\":\"default\"", b"[1, 2]"];
    for (number, bytes) in bad.iter().enumerate() {
        let _: () = ::redis::cmd("HSET")
            .arg(format!("{namespace}:default.msgs"))
            .arg(number)
            .arg(*bytes)
            .query(&mut redis)
            .unwrap();
        let _: () = ::redis::cmd("RPUSH").arg(format!("{namespace}:default")).arg(number).query(&mut redis).unwrap();
    }
    enqueue_as_python_would(&mut redis, &namespace, "after");
    let (told, heard) = ears();
    let worker = Running::start(Worker::new(broker.clone()).threads(1).actors(actors![say]).state(told)).await;
    assert_eq!((next(&heard).0, next(&heard).0), ("before".to_owned(), "after".to_owned()));
    settle(&broker, "the others are dead", |counts| counts.dead == 4 && counts.claimed == 0).await;
    let letters = broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap();
    for (number, bytes) in bad.iter().enumerate() {
        let letter = letters.iter().find(|letter| letter.id == number.to_string()).expect("a dead letter");
        assert_eq!(letter.bytes, *bytes);
        assert!(letter.reason.as_ref().is_some_and(|reason| reason.starts_with("not ")), "{letter:?}");
    }
    worker.stop().await;
}

/// Is open once its sender is gone.
type Gate = Mutex<Receiver<()>>;

#[actor]
fn hold(gate: &Arc<Gate>) {
    gate.lock().expect("the gate").recv().expect_err("it opens, and says nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_wait_behind_a_long_run_goes_to_whoever_is_free() {
    let (url, namespace) = (tests::redis::url(), tests::redis::namespace());
    let (busy, other) = (broker(&url, &namespace).await, broker(&url, &namespace).await);
    let (closed, gate) = channel();
    let gate = Arc::<Gate>::new(Mutex::new(gate));
    let start = async |broker: &Broker| {
        let (told, heard) = ears();
        let worker = Worker::new(broker.clone()).threads(1).actors(actors![say, hold]).state(told).state(gate.clone());
        (Running::start(worker).await, heard)
    };
    let (worker, heard) = start(&busy).await;
    say::send(&busy, "a short run, so it fetches ahead").await.unwrap();
    next(&heard);
    settle(&busy, "it has ended", |counts| counts.claimed == 0).await;
    busy.send_all([hold::message().untyped(), say::message("one").untyped(), say::message("two").untyped()])
        .await
        .unwrap();
    settle(&busy, "one runs, two wait behind it", |counts| counts.claimed == 3).await;
    let (second, heard_there) = start(&other).await;
    assert_eq!([next(&heard_there).0, next(&heard_there).0], ["one", "two"]);
    // Nor does the busy one take what comes now.
    for what in ["three", "four"] {
        say::send(&busy, what).await.unwrap();
        assert_eq!(next(&heard_there).0, what);
    }
    drop(closed);
    settle(&busy, "all has run", |counts| counts == Counts::default()).await;
    assert!(heard.try_recv().is_err());
    second.stop().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_among_very_short_ones_holds_up_none_of_them() {
    const SHORT: usize = 1_000;
    // It stands still, so that no beat helps.
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let broker = Broker::builder().clock(clock.clone()).connect("memory:").await.unwrap();
    let (closed, gate) = channel();
    let (told, heard) = ears();
    let worker = Worker::new(broker.clone()).threads(2).actors(actors![say, hold]).state(told);
    let worker = Running::start(worker.state(Arc::<Gate>::new(Mutex::new(gate)))).await;
    let now = clock.now();
    let short = (0..SHORT).map(|_| say::message("short").message(now).unwrap());
    broker.enqueue(short.collect()).await.unwrap();
    for _ in 0..SHORT {
        next(&heard);
    }
    let batch = [hold::message().untyped(), say::message("one").untyped(), say::message("two").untyped()];
    broker.send_all(batch).await.unwrap();
    assert_eq!([next(&heard).0, next(&heard).0], ["one", "two"]);
    drop(closed);
    worker.stop().await;
}
