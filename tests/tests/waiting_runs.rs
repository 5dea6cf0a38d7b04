//! What a run waits for does not lie behind it, on every store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use common::{
    actor,
    actor::actors,
    broker::Broker,
    composition::group,
    error::ResultError,
    message::{Message, MessageId},
    queue_name::QueueName,
    rate_limits::{Barrier, BarrierState, Concurrent, Guard, LimitError},
    store::Counts,
    worker::{RunningWorker, Shutdown, Worker},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tests::{
    process::{PATIENCE, eventually_async},
    redis,
};

/// The messages of one test that somebody waits for.
const CHILDREN: u32 = 3;

/// Tells runs that they may begin to wait.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    /// The slot that one of them waits for.
    held: Mutex<Option<Guard>>,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    async fn pass(&self) {
        while !self.is_open() {
            tokio::task::yield_now().await;
        }
    }

    fn pass_blocking(&self) {
        while !self.is_open() {
            thread::yield_now();
        }
    }
}

#[actor(store_results = true)]
fn square(n: u32) -> u32 {
    n * n
}

#[actor]
async fn arrive(broker: &Broker, barrier: String) {
    Barrier::new(barrier).arrive(broker).await.unwrap();
}

/// Sends others, and waits for them.
#[actor(store_results = true, max_retries = 0)]
async fn parent(broker: &Broker, gate: &Arc<Gate>) -> Result<u32, ResultError> {
    let mut sent = Vec::new();
    for n in 1..=CHILDREN {
        sent.push(square::send(broker, n).await.unwrap());
    }
    gate.pass().await;
    let mut sum = 0;
    for sent in sent {
        sum += sent.result::<u32>(PATIENCE).await?;
    }
    Ok(sum)
}

#[actor(store_results = true, max_retries = 0)]
fn parent_of_a_group(broker: &Broker, gate: &Arc<Gate>) -> Result<u32, ResultError> {
    let sent = group((1..=CHILDREN).map(square::message)).send_blocking(broker).unwrap();
    gate.pass_blocking();
    Ok(sent.results_blocking::<u32>(PATIENCE)?.into_iter().sum())
}

#[actor(store_results = true, max_retries = 0)]
fn parent_of_a_batch(broker: &Broker, gate: &Arc<Gate>) -> Result<u32, ResultError> {
    let sent = square::batch(1..=CHILDREN).send_blocking(broker).unwrap();
    gate.pass_blocking();
    assert_eq!(sent.wait_blocking(PATIENCE)?.done, CHILDREN);
    sent.each_result_blocking::<u32>(PATIENCE).sum()
}

#[actor(store_results = true, max_retries = 0)]
fn parent_at_a_barrier(broker: &Broker, gate: &Arc<Gate>) -> u32 {
    let (name, mut sum) = (fresh(), 0);
    let barrier = Barrier::new(&name);
    barrier.create_blocking(broker, CHILDREN).unwrap();
    for n in 1..=CHILDREN {
        arrive::send_blocking(broker, &name).unwrap();
        sum += n * n;
    }
    gate.pass_blocking();
    assert_eq!(barrier.wait_blocking(broker, PATIENCE).unwrap(), BarrierState::Open);
    sum
}

#[actor]
async fn give_back(gate: &Arc<Gate>) {
    let held = gate.held.lock().unwrap().take();
    if let Some(held) = held {
        held.release().await.unwrap();
    }
}

#[actor(store_results = true, max_retries = 0)]
async fn parent_at_a_limit(broker: &Broker, gate: &Arc<Gate>) -> Result<u32, LimitError> {
    let (limit, mut sum) = (Concurrent::mutex(fresh()), 0);
    let held = limit.acquire(broker).await?;
    *gate.held.lock().unwrap() = Some(held);
    for n in 1..=CHILDREN {
        give_back::send(broker).await.unwrap();
        sum += n * n;
    }
    gate.pass().await;
    drop(limit.acquire_within(broker, PATIENCE).await?);
    Ok(sum)
}

/// Waits in the only slot.
#[actor(store_results = true, max_retries = 0)]
async fn alone(broker: &Broker) -> Result<u32, ResultError> {
    square::send(broker, 1).await.unwrap().result(Duration::from_millis(50)).await
}

fn fresh() -> String {
    MessageId::random().to_string()
}

fn worker(broker: &Broker, gate: &Arc<Gate>) -> Worker {
    let actors = actors![
        square,
        arrive,
        give_back,
        parent,
        parent_of_a_group,
        parent_of_a_batch,
        parent_at_a_barrier,
        parent_at_a_limit
    ];
    Worker::new(broker.clone()).actors(actors).state(gate.clone())
}

async fn settle(broker: &Broker, parent: &str, what: &str, is_settled: impl Fn(Counts) -> bool) {
    let counts = async || broker.counts(&QueueName::default()).await.unwrap();
    let settled = eventually_async(PATIENCE, async || is_settled(counts().await).then_some(())).await;
    assert!(settled.is_some(), "{parent}: {what}: {:?}", counts().await);
}

async fn stop(worker: RunningWorker) {
    worker.stop();
    assert_eq!(worker.join().await, Ok(Shutdown::Clean));
}

/// A worker with one slot fetches what its only run has sent; once that waits for it, another worker runs it.
async fn goes_to_others(broker: &Broker, parent: &'static str, parent_message: Message) {
    let gate = Arc::new(Gate::default());
    let first = worker(broker, &gate).threads(1).prefetch(100).start();
    let sent = broker.enqueue(vec![parent_message]).await.unwrap();
    settle(broker, parent, "all lie in the first worker", |counts| counts.claimed == 1 + CHILDREN as usize).await;
    gate.open.store(true, Ordering::Release);
    settle(broker, parent, "what lies behind a run that waits goes back", |counts| counts.ready == CHILDREN as usize)
        .await;
    let second = worker(broker, &gate).threads(1).start();
    let stored = broker.wait_for_result(&sent[0], PATIENCE).await.unwrap();
    assert_eq!(stored.read::<u32>().unwrap(), 14, "{parent}");
    settle(broker, parent, "all has ended", |counts| counts == Counts::default()).await;
    stop(second).await;
    stop(first).await;
}

async fn all_go_to_others(broker: Broker) {
    for (parent, message) in [
        ("a result", parent::message().message(broker.clock().now()).unwrap()),
        ("a group", parent_of_a_group::message().message(broker.clock().now()).unwrap()),
        ("a batch", parent_of_a_batch::message().message(broker.clock().now()).unwrap()),
        ("a barrier", parent_at_a_barrier::message().message(broker.clock().now()).unwrap()),
        ("a limit", parent_at_a_limit::message().message(broker.clock().now()).unwrap()),
    ] {
        goes_to_others(&broker, parent, message).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_what_a_run_waits_for_goes_to_others() {
    all_go_to_others(Broker::connect("memory:").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_file_what_a_run_waits_for_goes_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("tasks.db").display());
    all_go_to_others(Broker::connect(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_what_a_run_waits_for_goes_to_others() {
    let broker = Broker::builder().namespace(&redis::fresh_namespace()).connect(&redis::url()).await.unwrap();
    all_go_to_others(broker).await;
}

#[tokio::test]
async fn who_waits_for_what_nobody_can_run_hears_where_it_is() {
    let broker = Broker::connect("memory:").await.unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![square, alone]).threads(1).prefetch(100).start();
    let failed = alone::send(&broker).await.unwrap().result::<u32>(PATIENCE).await.unwrap_err().to_string();
    assert!(failed.contains("no result of square(1)") && failed.contains("the workers are busy"), "{failed}");
    stop(worker).await;
}
