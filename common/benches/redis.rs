//! How fast the library is on a Redis, beside a bare client: a program that runs the same scripts on the same data, with
//! neither a worker nor a home.
//!
//! ```text
//! cargo bench -p common --bench redis -- redis://localhost:6379 [MESSAGES]
//! ```
//!
//! Machines are noisy, so the two take turns and the ratio is what counts. Every figure is void unless each message was
//! executed and acknowledged, which is checked after each round.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::message::{Message, MessageId};
use common::middlewares::retries::Retries;
use common::queue_name::QueueName;
use common::store::{Answer, Counts, Ending, Place, Store as _, Want};
use common::stores::redis::RedisStore;
use common::worker::Worker;
use tokio::sync::Notify;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Rounds of each measurement; the median is shown.
const ROUNDS: usize = 5;

/// How many the bare client fetches and finishes at once: as many as a worker has waiting at most.
const BATCH: usize = 256;

/// What the actors report to.
struct Tally {
    executed: AtomicU64,
    /// How many are expected in this round.
    expected: AtomicU64,
    done: Notify,
}

#[actor]
fn no_op(tally: &Arc<Tally>) {
    if tally.executed.fetch_add(1, Ordering::Relaxed) + 1 == tally.expected.load(Ordering::Relaxed) {
        tally.done.notify_one();
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(url) = arguments.next() else {
        eprintln!("which Redis? cargo bench -p common --bench redis -- redis://localhost:6379 [MESSAGES]");
        return ExitCode::from(2);
    };
    let messages = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime.map_err(Failed::from).and_then(|runtime| runtime.block_on(measure(&url, messages)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("void: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(url: &str, messages: usize) -> Result<(), Failed> {
    println!("{messages} messages a round, {ROUNDS} rounds in turn, medians\n");
    println!("| measured | worker, broker | bare client | ratio |");
    println!("| --- | --- | --- | --- |");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(drain(url, messages).await?);
        bare.push(drain_bare(url, messages).await?);
    }
    row("drain, messages/s", median(ours), median(bare));

    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(bulk(url, messages).await?);
        bare.push(bulk_bare(url, messages).await?);
    }
    row("enqueue by 1,000, messages/s", median(ours), median(bare));

    let singles = messages / 10;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(single(url, singles).await?);
        bare.push(single_bare(url, singles).await?);
    }
    row("enqueue one after the other, messages/s", median(ours), median(bare));

    let mut waits = pick_up(url, 500).await?;
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    println!("| idle pick-up, ms: p50, p95, most | {:.2}, {:.2}, {:.2} | | |", at(50), at(95), at(100));
    Ok(())
}

fn row(what: &str, ours: f64, bare: f64) {
    println!("| {what} | {ours:.0} | {bare:.0} | {:.2} |", ours / bare);
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A namespace that nobody else uses, so that figures are not mixed up with anybody's data.
fn namespace() -> String {
    format!("bench-{}", MessageId::random().short())
}

async fn broker(url: &str, namespace: &str) -> Result<Broker, Failed> {
    Ok(Broker::open(url, namespace, Clock::system()).await?.with(Retries::default()))
}

fn messages_of(count: usize, clock: &Clock) -> Result<Vec<Message>, Failed> {
    (0..count).map(|_| no_op::message().message(clock.now()).map_err(Failed::from)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages lie far below 2^52")]
fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn empty(counts: Counts) -> Result<(), Failed> {
    if counts == Counts::default() {
        Ok(())
    } else {
        Err(format!("not everything was acknowledged: {counts:?}").into())
    }
}

async fn drain(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    broker.enqueue(messages_of(count, broker.clock())?).await?;
    let tally =
        Arc::new(Tally { executed: AtomicU64::new(0), expected: AtomicU64::new(count as u64), done: Notify::new() });
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).lend(tally.clone());
    let stopper = worker.stopper();
    let watch = Stopwatch::start();
    let run = tokio::spawn(worker.run());
    tally.done.notified().await;
    // The last acknowledgements belong to the drain: a worker that has stopped has stored them.
    stopper.stop();
    run.await??;
    let took = watch.elapsed();
    if tally.executed.load(Ordering::Relaxed) != count as u64 {
        return Err(format!("{} of {count} messages were executed", tally.executed.load(Ordering::Relaxed)).into());
    }
    empty(broker.counts(&QueueName::default()).await?)?;
    Ok(per_second(count, took))
}

async fn drain_bare(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    broker.enqueue(messages_of(count, broker.clock())?).await?;
    let url = url.to_owned();
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&url, &namespace, Clock::system()).await?;
        let queue = QueueName::default();
        let watch = Stopwatch::start();
        let lease = store.join(std::slice::from_ref(&queue)).await?;
        let wants = [Want { queue, count: BATCH }];
        let mut done = 0;
        while done < count {
            let deliveries = store.fetch(&lease, &wants).await?.deliveries;
            let endings: Vec<_> = deliveries
                .into_iter()
                .map(|delivery| Ending { claim: delivery.claim, place: Place::Gone, also: Vec::new() })
                .collect();
            let answers = store.finish(&lease, &endings).await?;
            done += answers.iter().filter(|answer| **answer == Answer::Finished).count();
        }
        let took = watch.elapsed();
        store.leave(&lease).await?;
        Ok(took)
    })
    .await?;
    empty(broker.counts(&QueueName::default()).await?)?;
    Ok(per_second(count, took))
}

async fn bulk(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let messages = messages_of(count, broker.clock())?;
    let watch = Stopwatch::start();
    broker.enqueue(messages).await?;
    let took = watch.elapsed();
    full(url, &namespace, count).await?;
    Ok(per_second(count, took))
}

async fn bulk_bare(url: &str, count: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(count, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&address, &name, Clock::system()).await?;
        let watch = Stopwatch::start();
        store.enqueue(&messages).await?;
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, count).await?;
    Ok(per_second(count, took))
}

async fn single(url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let watch = Stopwatch::start();
    for _ in 0..count {
        no_op::send(&broker).await?;
    }
    let took = watch.elapsed();
    full(url, &namespace, count).await?;
    Ok(per_second(count, took))
}

async fn single_bare(url: &str, count: usize) -> Result<f64, Failed> {
    let (namespace, messages, address) = (namespace(), messages_of(count, &Clock::system())?, url.to_owned());
    let name = namespace.clone();
    let took = at_bare_client(move || async move {
        let store = RedisStore::connect(&address, &name, Clock::system()).await?;
        let watch = Stopwatch::start();
        for message in messages.chunks(1) {
            store.enqueue(message).await?;
        }
        Ok(watch.elapsed())
    })
    .await?;
    full(url, &namespace, count).await?;
    Ok(per_second(count, took))
}

/// Runs `work` as a bare client does: on a thread of its own, with a runtime of one thread.
async fn at_bare_client<F, W>(work: W) -> Result<Duration, Failed>
where
    F: Future<Output = Result<Duration, Failed>>,
    W: FnOnce() -> F + Send + 'static,
{
    let run = move || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work());
    tokio::task::spawn_blocking(run).await?
}

/// Checks that all messages are there, and takes them away again.
async fn full(url: &str, namespace: &str, count: usize) -> Result<(), Failed> {
    let store = RedisStore::connect(url, namespace, Clock::system()).await?;
    let queue = QueueName::default();
    let lease = store.join(std::slice::from_ref(&queue)).await?;
    let wants = [Want { queue, count: 1_000 }];
    let mut found = 0;
    loop {
        let deliveries = store.fetch(&lease, &wants).await?.deliveries;
        if deliveries.is_empty() {
            break;
        }
        found += deliveries.len();
        let endings: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| Ending { claim: delivery.claim, place: Place::Gone, also: Vec::new() })
            .collect();
        store.finish(&lease, &endings).await?;
    }
    store.leave(&lease).await?;
    if found == count { Ok(()) } else { Err(format!("{found} of {count} messages were stored").into()) }
}

/// From just before a send to the start of its actor, one message at a time, on a worker with nothing else to do.
async fn pick_up(url: &str, count: usize) -> Result<Vec<Duration>, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let tally = Arc::new(Tally { executed: AtomicU64::new(0), expected: AtomicU64::new(0), done: Notify::new() });
    let worker = Worker::new(broker.clone()).actors(actors![no_op]).lend(tally.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let mut waits = Vec::with_capacity(count);
    for number in 1..=count {
        // The worker has to be idle: its last message acknowledged, and nothing left to do but wait.
        while broker.counts(&QueueName::default()).await? != Counts::default() {}
        Clock::system().sleep(Duration::from_millis(5)).await;
        tally.expected.store(number as u64, Ordering::Relaxed);
        let watch = Stopwatch::start();
        no_op::send(&broker).await?;
        tally.done.notified().await;
        waits.push(watch.elapsed());
    }
    stopper.stop();
    run.await??;
    empty(broker.counts(&QueueName::default()).await?)?;
    Ok(waits)
}
