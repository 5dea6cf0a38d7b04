//! For tests of programs that send and run messages: a broker that needs no service and no time.
//!
//! ```
//! use std::time::Duration;
//!
//! use common::testing::TestBroker;
//! use common::{actor, actors};
//!
//! #[actor(max_retries = 2)]
//! fn remind(user: String, days: u32) -> Result<(), String> {
//!     if user == "nobody" { Err(format!("no such user, {days} days before")) } else { Ok(()) }
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let broker = TestBroker::new();
//! remind::send(&broker, "ada", 3).await.unwrap();
//! remind::message("nobody", 7).delay(Duration::from_secs(86_400)).send(&broker).await.unwrap();
//!
//! // What was sent, typed as the actor's parameters are.
//! assert_eq!(remind::sent(&broker), [("ada".to_owned(), 3), ("nobody".to_owned(), 7)]);
//!
//! // Everything that is ready now; then everything there is, with all its delays and retries, in no time.
//! broker.worker().actors(actors![remind]).run_until_idle().await.unwrap();
//! assert_eq!(broker.dead_letters("default").await, []);
//! broker.worker().actors(actors![remind]).run_until_done().await.unwrap();
//! assert_eq!(broker.dead_letters("default").await.len(), 1);
//! # });
//! ```

use std::ops::Deref;
use std::time::Duration;

use crate::actor::{Arguments, Declaration};
use crate::broker::{Broker, BrokerBuilder};
use crate::clock::{Clock, Timestamp};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::DeadLetter;
use crate::stores::memory::MemoryStore;
use crate::worker::Worker;

/// Where a test's clock starts: 2027-01-15T08:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Dead letters that are shown at most.
const MOST_LETTERS: usize = 10_000;

/// A broker in memory under a clock that stands still until somebody moves it on, with the usual middleware. It remembers
/// what was sent.
///
/// It is a [`Broker`] wherever one is wanted: `actor::send(&broker, …)`.
#[derive(Debug)]
pub struct TestBroker {
    broker: Broker,
    store: MemoryStore,
}

impl TestBroker {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// When the system has no thread left.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Self {
        Self::from_builder(Broker::builder())
    }

    /// One with middleware, or other settings; namespace and clock are the test's.
    ///
    /// # Panics
    ///
    /// When the system has no thread left.
    #[must_use]
    pub fn from_builder(builder: BrokerBuilder) -> Self {
        let clock = Clock::manual(START);
        let store = MemoryStore::recording(clock.clone());
        let broker = builder.namespace("test").clock(clock).on_store(store.clone()).expect("a thread for the broker");
        Self { broker, store }
    }

    /// A worker of one slot on this broker: messages run in their order.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker::new(self.broker.clone()).threads(1)
    }

    /// Moves the clock on. What comes due by that is run by the next worker, or by one that runs already.
    pub fn advance(&self, by: Duration) {
        self.broker.clock().advance(by);
    }

    /// All messages to an actor that were enqueued so far, by senders or by what a run brought about, in their order; retries
    /// are not sent again. An actor's own `sent` gives their arguments, typed.
    #[must_use]
    pub fn sent(&self, actor: &Declaration) -> Vec<Message> {
        self.store.recorded().into_iter().filter(|message| *message.actor_name == *actor.name).collect()
    }

    /// What `read` makes of the arguments of each of those messages. An actor's own `sent` is built on it.
    ///
    /// # Panics
    ///
    /// When `read` cannot read what was sent.
    pub fn arguments<T>(
        &self,
        actor: &'static Declaration,
        read: impl Fn(&mut Arguments<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        let read = |message: &Message| {
            let read = Arguments::new(message, actor.parameters).and_then(|mut arguments| read(&mut arguments));
            read.unwrap_or_else(|error| panic!("{message} was sent, and cannot be read: {error}"))
        };
        self.sent(actor).iter().map(read).collect()
    }

    /// The dead letters of a queue, the oldest first.
    ///
    /// # Panics
    ///
    /// When `queue` is no queue name.
    pub async fn dead_letters(&self, queue: &str) -> Vec<DeadLetter> {
        let queue = QueueName::new(queue).expect("a queue name");
        self.broker.dead_letters(&queue, 0, MOST_LETTERS).await.expect("memory answers")
    }
}

impl Deref for TestBroker {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        &self.broker
    }
}
