//! What the tests of the worker share.

use std::any::Any;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::actor::Declaration;
use common::broker::{Broker, BrokerBuilder};
use common::clock::{Clock, Timestamp};
use common::queue_name::QueueName;
use common::store::Counts;
use common::worker::{Shutdown, Stopper, Worker};
use tokio::task::JoinHandle;

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// What an actor tells its test.
pub(crate) type Told = Mutex<Sender<String>>;

pub(crate) fn tell(to: &Told, what: impl Into<String>) {
    to.lock().unwrap().send(what.into()).unwrap();
}

pub(crate) fn ears() -> (Told, Receiver<String>) {
    let (told, heard) = channel();
    (Mutex::new(told), heard)
}

/// What an actor tells next.
pub(crate) fn next(heard: &Receiver<String>) -> String {
    heard.recv_timeout(DEADLINE).expect("an actor tells something")
}

/// A broker to be, under a manual clock.
pub(crate) fn builder() -> BrokerBuilder {
    Broker::builder().clock(Clock::manual(Timestamp::from_millis(1_800_000_000_000)))
}

/// A broker of its own in memory, under a manual clock.
pub(crate) async fn broker() -> Broker {
    builder().connect("memory:").await.expect("a broker")
}

/// A worker that runs.
pub(crate) struct Running {
    broker: Broker,
    pub(crate) stopper: Stopper,
    run: JoinHandle<Shutdown>,
}

/// Starts a worker of two slots, in which four messages wait, with one thing as state.
pub(crate) fn start<T: Any + Send + Sync>(broker: &Broker, actors: &[&'static Declaration], state: T) -> Running {
    start_with(Worker::new(broker.clone()).threads(2).prefetch(4).actors(actors).state(state))
}

/// Starts a worker.
pub(crate) fn start_with(worker: Worker) -> Running {
    let broker = worker.broker().clone();
    let stopper = worker.stopper();
    let run = tokio::spawn(async move { worker.run().await.expect("a worker without mistakes") });
    Running { broker, stopper, run }
}

impl Running {
    /// Waits until the default queue is as it should be.
    pub(crate) async fn settle(&self, what: &str, settled: impl Fn(Counts) -> bool) {
        let queue = QueueName::default();
        let watch = common::clock::Stopwatch::start();
        loop {
            let counts = self.broker.counts(&queue).await.expect("counts");
            if settled(counts) {
                return;
            }
            assert!(watch.elapsed() < DEADLINE, "{what}: not after {DEADLINE:?}, but {counts:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) -> Shutdown {
        tokio::time::timeout(DEADLINE, self.run).await.expect("the worker ends").expect("without a panic")
    }

    /// Stops it, and expects nothing to be left.
    pub(crate) async fn stop(self) {
        self.stopper.stop();
        assert_eq!(self.ended().await, Shutdown::Clean);
    }
}
