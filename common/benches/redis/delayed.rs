//! How late delayed messages are by Redis's clock, and what it costs to have many of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::broker::Broker;
use common::message::{Message, option};
use common::queue_name::QueueName;
use common::worker::Worker;
use tokio::sync::Notify;

use crate::ground::{Setup, ask, broker, connection, namespace, sleep, wipe};
use crate::support::Failed;
use crate::support::child::Child;
use crate::support::cost::memory;
use crate::support::load::{Tally, empty, messages_of, no_op};
use crate::support::table::{self, Waits};

/// How many are due within [`SPAN`], at random.
const MESSAGES: usize = 500;
const SPAN: Duration = Duration::from_secs(5);

/// How many lie there that are due in a day.
const FAR: usize = 100_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A drain is kept up by so many at a time.
const REFILL: usize = 10_000;

/// A worker sees what is new with its next beat.
const SETTLING: Duration = Duration::from_secs(3);

/// When each message ran.
struct Times {
    /// Tells Redis's time.
    redis: Mutex<redis::Connection>,
    /// In microseconds after it was due.
    late: Mutex<Vec<i64>>,
    done: Notify,
}

#[actor(queue = "timed")]
fn timed(context: &Context, times: &Arc<Times>) {
    let time: Result<(i64, i64), _> = ask(&mut times.redis.lock().unwrap_or_else(PoisonError::into_inner), &["TIME"]);
    let due: Option<i64> = context.message().options.read(option::ETA);
    // One without either is missed in the count.
    if let (Ok((seconds, micros)), Some(due)) = (time, due) {
        let mut late = times.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.push(seconds * 1_000_000 + micros - due * 1_000);
        if late.len() == MESSAGES {
            times.done.notify_one();
        }
    }
}

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let url = &setup.url;
    let name = namespace();
    let waits = lateness(url, &name, false).await?;
    table::row("delayed, ms late: p50, p95, most", &waits.told());
    let waits = lateness(url, &name, true).await?;
    table::row("the same on a worker that drains another queue", &waits.told());
    wipe(url, &name)?;

    let name = namespace();
    far(url, &name).await?;
    let waits = lateness(url, &name, false).await?;
    table::row("the same beside 100,000 due in a day", &waits.told());
    wipe(url, &name)
}

/// None is early, and none missing, or it is void.
async fn lateness(url: &str, namespace: &str, is_draining: bool) -> Result<Waits, Failed> {
    let broker = broker(url, namespace).await?;
    let times = Times { redis: connection(url)?.into(), late: Mutex::default(), done: Notify::new() };
    let (times, tally) = (Arc::new(times), Tally::expecting(0));
    let worker = Worker::new(broker.clone()).actors(actors![timed, no_op]).state(times.clone()).state(tally.clone());
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    let is_over = Arc::new(AtomicBool::new(!is_draining));
    let filling = tokio::spawn(keep_filled(broker.clone(), tally, is_over.clone()));
    sleep(Duration::from_millis(500)).await;

    let now = broker.clock().now();
    let delays = (0..MESSAGES).map(|_| SPAN.mul_f64(fastrand::f64()));
    let messages = delays.map(|delay| timed::message().at(now + delay).message(now));
    broker.enqueue(messages.collect::<Result<_, _>>()?).await?;
    let is_done = tokio::time::timeout(4 * SPAN, times.done.notified()).await.is_ok();

    is_over.store(true, Ordering::Relaxed);
    filling.await??;
    stopper.stop();
    run.await??;
    empty(&broker, &QueueName::canonical("timed")).await?;
    if is_draining {
        empty(&broker, &QueueName::default()).await?;
    }
    let late = times.late.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !is_done || late.len() != MESSAGES {
        return Err(format!("{} of {MESSAGES} delayed messages ran", late.len()).into());
    }
    let late: Result<Vec<_>, _> = late.into_iter().map(u64::try_from).collect();
    Waits::new(late.map_err(|_| "one ran early")?.into_iter().map(Duration::from_micros).collect())
}

/// Keeps a queue from running empty, and at last lets it.
async fn keep_filled(broker: Broker, tally: Arc<Tally>, is_over: Arc<AtomicBool>) -> Result<(), Failed> {
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        if sent - tally.executed() < REFILL as u64 {
            sent += broker.enqueue(messages_of(REFILL, broker.clock())?).await?.len() as u64;
        }
        sleep(Duration::from_millis(1)).await;
    }
    while tally.executed() < sent {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Puts many messages there, due in a day, and tells what they take.
async fn far(url: &str, namespace: &str) -> Result<(), Failed> {
    let broker = broker(url, namespace).await?;
    let child = Child::start(&[url, namespace])?;
    sleep(SETTLING).await;
    let (worker, redis) = (memory(child.id())?, used(url)?);

    let (now, queue) = (broker.clock().now(), QueueName::default());
    let message = |_| no_op::message().at(now + DAY.mul_f64(1.0 + fastrand::f64())).message(now);
    let messages: Vec<Message> = (0..FAR).map(message).collect::<Result<_, _>>()?;
    broker.enqueue(messages).await?;
    sleep(SETTLING).await;
    let delayed = broker.counts(&queue).await?.delayed;
    if delayed != FAR {
        return Err(format!("{delayed} of {FAR} messages are delayed").into());
    }
    let (worker, redis) = (memory(child.id())? - worker, used(url)? - redis);
    table::row("100,000 delayed messages, MB more in an idle worker", &format!("{worker:.1}"));
    table::row("100,000 delayed messages, MB more in Redis", &format!("{redis:.1}"));
    Ok(())
}

/// What Redis uses, in megabytes.
fn used(url: &str) -> Result<f64, Failed> {
    let told: String = ask(&mut connection(url)?, &["INFO", "memory"])?;
    let line = told.lines().find_map(|line| line.strip_prefix("used_memory:")).ok_or("Redis tells no memory")?;
    Ok(line.trim().parse::<f64>()? / 1_024.0 / 1_024.0)
}
