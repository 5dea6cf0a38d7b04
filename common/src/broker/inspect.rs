//! Looking inside of a broker, and moving by hand what lies there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Broker, long_runs};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::explain::{Explained, Explanation, Facts};
use crate::message::{Message, option};
use crate::outcome::bounded;
use crate::queue_name::QueueName;
use crate::store::{Cancelled, Claim, Counts, DeadLetter, Inspect, MessageInfo, QueueInfo, WorkerInfo};

/// How many queues or workers are asked for at once.
const PAGE: usize = 1_000;

/// In how many bodies of each queue a message is looked for, where nobody says otherwise.
pub(crate) const DEPTH: usize = 1_000;

/// Each of these calls answers with what the store says where it fails.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Broker {
    /// The queues that hold something, were paused, or have a worker, by name: at most `limit` of those after `after`.
    pub async fn queues(&self, after: Option<QueueName>, limit: usize) -> Result<Vec<QueueInfo>, StoreError> {
        self.inspect(async move |store| store.queues(after.as_ref(), limit).await).await
    }

    /// All queues that hold something, were paused, or have a worker, by name.
    pub async fn all_queues(&self) -> Result<Vec<QueueInfo>, StoreError> {
        self.inspect(async move |store| {
            let mut all: Vec<QueueInfo> = Vec::new();
            loop {
                let page = store.queues(all.last().map(|queue| &queue.name), PAGE).await?;
                let is_last = page.len() < PAGE;
                all.extend(page);
                if is_last {
                    return Ok(all);
                }
            }
        })
        .await
    }

    /// The queue of this name; `None` where none is known that holds something, was paused, or has a worker.
    pub async fn queue(&self, name: &QueueName) -> Result<Option<QueueInfo>, StoreError> {
        let name = name.clone();
        self.inspect(async move |store| store.queue(&name).await).await
    }

    /// How many messages of a queue are in which place.
    pub async fn counts(&self, queue: &QueueName) -> Result<Counts, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| store.counts(&queue).await).await
    }

    /// The workers that are known, by id: at most `limit` of those after `after`.
    pub async fn workers(&self, after: Option<String>, limit: usize) -> Result<Vec<WorkerInfo>, StoreError> {
        self.inspect(async move |store| store.workers(after.as_deref(), limit).await).await
    }

    /// All workers that are known, by id.
    pub async fn all_workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.inspect(async move |store| all_workers(&*store).await).await
    }

    /// Where the messages are whose id, or whose name in the store, starts with `id`. Those that have another name are looked
    /// for in at most `depth` bodies of each queue.
    pub async fn find(&self, id: &str, depth: usize) -> Result<Vec<MessageInfo>, StoreError> {
        let id = id.to_owned();
        self.inspect(async move |store| store.find(&id, depth).await).await
    }

    /// What [`Broker::find`] finds, and why each of them is where it is.
    pub async fn explain(&self, id: &str, depth: usize) -> Result<Vec<Explained>, StoreError> {
        let (id, clock, namespace) = (id.to_owned(), self.clock().clone(), self.namespace().to_owned());
        self.inspect(async move |store| explained(&*store, &clock, &namespace, &id, depth).await).await
    }

    /// What lies under the name of a claim; `None` where nothing does, or a dead letter.
    pub async fn get(&self, claim: &Claim) -> Result<Option<MessageInfo>, StoreError> {
        let claim = claim.clone();
        self.inspect(async move |store| store.get(&claim).await).await
    }

    /// The dead letters of a queue, the oldest first: at most `limit` after the first `skip`.
    pub async fn dead_letters(
        &self,
        queue: &QueueName,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| store.dead_letters(&queue, skip, limit).await).await
    }

    /// Sends dead letters once more: same message id and arguments, no retries yet, ready at once, under a new name on the
    /// wire. Tells of each whether it was still there, and a message. Nothing is sent where middleware refuses one of them.
    pub async fn requeue(&self, queue: &QueueName, letters: &[DeadLetter]) -> Result<Vec<bool>, StoreError> {
        let now = self.clock().now();
        let mut fresh: Vec<_> = letters
            .iter()
            .map(|letter| Some((letter.id.clone(), as_new(Message::decode(&letter.bytes, now).ok()?))))
            .collect();
        for (_, message) in fresh.iter_mut().flatten() {
            self.before_enqueue(message).map_err(|refused| StoreError::Refused(refused.to_string()))?;
        }
        let readable: Vec<_> = fresh.iter().flatten().cloned().collect();
        let queue = queue.clone();
        let requeued = self.inspect(async move |store| store.requeue_dead(&queue, &readable).await).await?;
        let mut requeued = requeued.into_iter();
        Ok(fresh.iter().map(|letter| letter.is_some() && requeued.next().unwrap_or(false)).collect())
    }

    /// Deletes dead letters by name. Tells of each whether it was still there.
    pub async fn delete(&self, queue: &QueueName, names: Vec<String>) -> Result<Vec<bool>, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| store.delete(&queue, &names).await).await
    }

    /// Cancels what was found: a ready or delayed message becomes a dead letter with this reason; a running one is told, and
    /// not run again. `None` where it has moved on.
    pub async fn cancel(&self, found: &MessageInfo, reason: &str) -> Result<Option<Cancelled>, StoreError> {
        let (queue, name, reason) = (found.queue.clone(), found.name.clone(), bounded(reason));
        self.inspect(async move |store| store.cancel(&queue, &name, &reason).await).await
    }

    /// Lets nothing more be fetched from a queue, until [`Broker::resume`]; what was fetched already runs. Tells whether that
    /// is new. Python's workers know of no pause.
    pub async fn pause(&self, queue: &QueueName) -> Result<bool, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| store.pause(&queue, true).await).await
    }

    /// Lets messages be fetched from a queue again. Tells whether that is new.
    pub async fn resume(&self, queue: &QueueName) -> Result<bool, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| store.pause(&queue, false).await).await
    }

    /// Deletes all that is ready or delayed, and about as many messages at most as there are when it begins, should somebody send
    /// meanwhile; what is claimed or dead stays. Tells how many that were.
    pub async fn purge(&self, queue: &QueueName) -> Result<usize, StoreError> {
        let queue = queue.clone();
        self.inspect(async move |store| {
            let Counts { ready, delayed, .. } = store.counts(&queue).await?;
            let mut purged = 0;
            while purged < ready + delayed {
                match store.purge(&queue).await? {
                    0 => break,
                    some => purged += some,
                }
            }
            Ok(purged)
        })
        .await
    }

    /// Runs a call of the store on the I/O thread.
    async fn inspect<T, F>(&self, call: impl FnOnce(Arc<dyn Inspect>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.on_io_thread(call(self.store().clone())).await?
    }
}

async fn all_workers(store: &dyn Inspect) -> Result<Vec<WorkerInfo>, StoreError> {
    let mut all: Vec<WorkerInfo> = Vec::new();
    loop {
        let page = store.workers(all.last().map(|worker| worker.id.as_str()), PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// The message without a past.
fn as_new(mut message: Message) -> Message {
    for trace in [option::RETRIES, option::TRACEBACK, option::REQUEUE_TIMESTAMP, option::UNKNOWN_SINCE, option::ETA] {
        message.options.remove(trace);
    }
    message
}

/// What is found by an id, and why it is where it is.
pub(super) async fn explained(
    store: &dyn Inspect,
    clock: &Clock,
    namespace: &str,
    id: &str,
    depth: usize,
) -> Result<Vec<Explained>, StoreError> {
    let found = store.find(id, depth).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut queues = BTreeMap::new();
    for found in &found {
        if !queues.contains_key(&found.queue) {
            queues.insert(found.queue.clone(), store.queue(&found.queue).await?);
        }
    }
    let (workers, now) = (all_workers(store).await?, clock.now());
    let mut all = Vec::with_capacity(found.len());
    for found in found {
        let (queue, since) = (queues[&found.queue].as_ref(), long_runs::since(store, namespace, &found).await?);
        let explanation = Explanation::of(Facts { found: &found, queue, workers: &workers, since, now });
        all.push(Explained { found, explanation, since, now });
    }
    Ok(all)
}
