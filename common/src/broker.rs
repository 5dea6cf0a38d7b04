//! Where messages wait, as people hold it.

mod builder;
mod groups;
mod inspect;
mod io_thread;
mod leases;
mod limits;
pub(crate) mod long_runs;
mod outbox;
mod results;
mod status;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use self::builder::BrokerBuilder;
pub(crate) use self::builder::{Settings, Url};
pub(crate) use self::inspect::DEPTH;
pub(crate) use self::io_thread::IoThread;
pub(crate) use self::leases::HeldSlot;
use self::leases::Leases;
use self::outbox::Outbox;
pub use self::status::Status;
use crate::clock::Clock;
use crate::error::{EnqueueError, Forked};
pub use crate::message::MAX_MESSAGE_SIZE;
use crate::message::Message;
use crate::store::Inspect;

/// The namespace of dramatiq's keys, where nobody says otherwise.
pub const NAMESPACE: &str = "dramatiq";

/// Sends messages, and is what a worker takes them from. Cheap to clone; clones share everything.
///
/// Its connections live on a thread of their own (its *I/O thread*), with a runtime of its own. So it does not matter where it is made, used
/// and dropped:
///
/// | what happens | what becomes of it |
/// | --- | --- |
/// | it is used from several runtimes | they share its connections |
/// | it is used from none: another executor, or a plain thread | the same; async calls need no tokio |
/// | the runtime ends in which it was connected | nothing: none of it lives there |
/// | the future of a call is dropped | what it began goes on, and may have happened; only what just waits, such as [`Broker::wait_for_result`], ends with it |
/// | its last clone is dropped, in a task or anywhere else | what was begun is done, then the connections close and the thread ends; dropping never blocks |
/// | the process forks | the parent's goes on; in the child every call fails at once with [`Forked`], and dropping it touches nothing |
///
/// So fork first, then connect. A child may connect anew, but not to a SQLite file that was open when it was forked: SQLite takes
/// the parent's locks for its own.
///
/// What becomes of a worker then is told at [`Worker`](crate::worker::Worker#lifetimes).
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    store: Arc<dyn Inspect>,
    namespace: String,
    clock: Clock,
    settings: Settings,
    outbox: Arc<Outbox>,
    leases: Arc<Leases>,
    io_thread: IoThread,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.io_thread.check().is_err() {
            // Its threads did not come along: nothing of it may be touched, let alone closed.
            std::mem::forget(self.store.clone());
        }
    }
}

impl Broker {
    /// A broker that is not as usual: with middleware, other retries, a namespace, a store of your own.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    fn new(store: Arc<dyn Inspect>, namespace: String, clock: Clock, settings: Settings, io_thread: IoThread) -> Self {
        let outbox = Outbox::new(store.clone());
        let leases = Arc::default();
        Self(Arc::new(Inner { store, namespace, clock, settings, outbox, leases, io_thread }))
    }

    /// Enqueues messages as one batch, and returns them as they were stored.
    ///
    /// What several senders enqueue at the same time, through clones of this broker, shares one call to the store; each gets
    /// an answer of its own.
    ///
    /// # Errors
    ///
    /// See [`EnqueueError`]: it says how many of them are stored.
    pub async fn enqueue(&self, messages: Vec<Message>) -> Result<Vec<Message>, EnqueueError> {
        self.0.io_thread.check()?;
        let (messages, bytes) = self.prepare(messages)?;
        self.0.outbox.send(&self.0.io_thread, messages, bytes).await
    }

    /// Enqueues messages from a thread that may wait.
    ///
    /// # Errors
    ///
    /// See [`EnqueueError`]: it says how many of them are stored.
    pub fn enqueue_blocking(&self, messages: Vec<Message>) -> Result<Vec<Message>, EnqueueError> {
        self.0.io_thread.check()?;
        let (messages, bytes) = self.prepare(messages)?;
        self.0.outbox.send_blocking(&self.0.io_thread, messages, bytes)
    }

    /// The clock that all of its times come from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where it is, for people; without a password.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.store.address()
    }

    /// Whether Python's dramatiq shares its queues: on Redis.
    #[must_use]
    pub fn is_shared_with_python(&self) -> bool {
        self.0.store.is_shared_with_python()
    }

    /// What sets its queues apart from others in the same place.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    pub(crate) fn store(&self) -> &Arc<dyn Inspect> {
        &self.0.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The thread that its connections live on.
    pub(crate) fn io_thread(&self) -> &IoThread {
        &self.0.io_thread
    }

    /// Runs `work` on the I/O thread and waits for it. What it began goes on when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// In a process that was forked since the broker was connected.
    pub(crate) async fn on_io_thread<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Forked> {
        self.0.io_thread.check()?;
        Ok(self.0.io_thread.run(work).await)
    }

    /// Runs the hooks of a message that is about to be stored.
    fn before_enqueue(&self, message: &mut Message) -> Result<(), EnqueueError> {
        self.settings().before_enqueue(message).map_err(|(middleware, cause)| EnqueueError::Hook {
            actor: message.actor_name.to_string(),
            middleware,
            cause,
        })
    }

    /// The messages as they are stored, and roughly how many bytes they take.
    fn prepare(&self, mut messages: Vec<Message>) -> Result<(Vec<Message>, usize), EnqueueError> {
        let mut bytes = 0;
        for message in &mut messages {
            self.before_enqueue(message)?;
            // After the hooks, which may change it.
            message
                .queue_name
                .check()
                .map_err(|cause| EnqueueError::Queue { actor: message.actor_name.to_string(), cause })?;
            let size = message.size();
            if size > MAX_MESSAGE_SIZE {
                let actor = message.actor_name.to_string();
                return Err(EnqueueError::TooLarge { actor, size, limit: MAX_MESSAGE_SIZE });
            }
            bytes += size;
        }
        Ok((messages, bytes))
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broker").field(&self.0.store).finish()
    }
}
