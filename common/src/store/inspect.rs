//! The second contract: looking inside, and moving by hand what lies there.

use std::time::Duration;

use super::claims::Claim;
use super::groups::GroupInfo;
use super::info::{Cancelled, Counts, DeadLetter, MessageInfo, QueueInfo, State, WorkerInfo};
use super::look::{Look, Looked, Place};
use super::{Boxed, Store};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;

/// Looks inside a store, and moves by hand what lies there, while workers run.
///
/// No call costs more than its page: what may be long is read a page at a time. Only [`Inspect::find`] goes through more: the
/// names of all messages, where it is given less than a whole id, and with a `depth` bodies. It does so a page at a time as well.
/// Each move is one step, like those of the workers.
///
/// # Errors
///
/// Every call answers with what the store says. After a lost answer of a move it may have happened; all of them can be
/// repeated.
pub trait Inspect: Store {
    /// The queues that hold something, were paused, or have a worker, by name: at most `limit` of those after `after`.
    fn queues<'a>(
        &'a self,
        after: Option<&'a QueueName>,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<QueueInfo>, StoreError>>;

    /// One of these queues; `None` where the store knows none of that name. Costs no walk through the others.
    fn queue<'a>(&'a self, name: &'a QueueName) -> Boxed<'a, Result<Option<QueueInfo>, StoreError>>;

    /// How many messages of a queue are in which place.
    fn counts<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<Counts, StoreError>>;

    /// The workers that the store knows of, by id: at most `limit` of those after `after`. The silent are among them until
    /// others have taken over what they held.
    fn workers<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Boxed<'a, Result<Vec<WorkerInfo>, StoreError>>;

    /// Where the messages are that have this message id, or lie under this name, or whose id or name starts with it; at most
    /// [`PAGE`](super::PAGE).
    ///
    /// Those that lie under their id (all that were never retried), or under a name that this library gave them, are found at
    /// once. Others have to be looked for in the bodies; that goes through at most `depth` of each queue. A whole UUID under
    /// which a live message lies may end the search.
    fn find<'a>(&'a self, id: &'a str, depth: usize) -> Boxed<'a, Result<Vec<MessageInfo>, StoreError>>;

    /// The message that lies in this queue under this name; `None` where nothing does, or a dead letter.
    fn get<'a>(&'a self, claim: &'a Claim) -> Boxed<'a, Result<Option<MessageInfo>, StoreError>> {
        Box::pin(async move {
            let is_it = |found: &MessageInfo| found.queue == claim.queue && *found.name == *claim.id && found.is_live();
            Ok(self.find(&claim.id, 0).await?.into_iter().find(is_it))
        })
    }

    /// What is kept of a message, or else where it is, both in one step: whoever reads the one and then the other misses a message that
    /// ends in between.
    ///
    /// Where something is kept under one of the keys, its place is left open ([`Place::Open`]). It may be left open as well where it takes
    /// more than one step to tell, as among very many names or workers. A live message goes before a dead letter of the same id.
    ///
    /// A store that can do no better looks by one call after another, as this does; it never says [`Place::Nowhere`] then.
    fn look<'a>(&'a self, look: &'a Look) -> Boxed<'a, Result<Looked, StoreError>> {
        Box::pin(one_by_one(self, look))
    }

    /// The dead letters of a queue, the oldest first: at most `limit` after the first `skip`.
    fn dead_letters<'a>(
        &'a self,
        queue: &'a QueueName,
        skip: usize,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<DeadLetter>, StoreError>>;

    /// Makes dead letters ready again, as the messages given with the name of each. Tells of each whether it was still there.
    fn requeue_dead<'a>(
        &'a self,
        queue: &'a QueueName,
        letters: &'a [(String, Message)],
    ) -> Boxed<'a, Result<Vec<bool>, StoreError>>;

    /// Deletes dead letters by name. Tells of each whether it was still there.
    fn delete<'a>(&'a self, queue: &'a QueueName, names: &'a [String]) -> Boxed<'a, Result<Vec<bool>, StoreError>>;

    /// Cancels what lies under this name: a ready or delayed message becomes a dead letter with this reason; of a claimed one
    /// its worker hears with its next beat ([`Beat::cancelled`](super::Beat::cancelled)). `None` where nothing lies there, or
    /// a dead letter.
    ///
    /// However the run of a cancelled message ends, it is not run again: done, or dead with this reason. Python's workers hear
    /// of nothing: what they run, or hold until its time, they finish, and retry under another name.
    fn cancel<'a>(
        &'a self,
        queue: &'a QueueName,
        name: &'a str,
        reason: &'a str,
    ) -> Boxed<'a, Result<Option<Cancelled>, StoreError>>;

    /// Lets nothing more be fetched from a queue, or lets it again. What a worker has fetched already runs. Tells whether
    /// that is new.
    fn pause<'a>(&'a self, queue: &'a QueueName, paused: bool) -> Boxed<'a, Result<bool, StoreError>>;

    /// Deletes what is ready or delayed, at most [`PURGE_LIMIT`](super::PURGE_LIMIT) messages a call. Tells how many that were; none once the queue is
    /// empty. What is claimed or dead stays.
    fn purge<'a>(&'a self, queue: &'a QueueName) -> Boxed<'a, Result<usize, StoreError>>;

    /// What a completion has stored under `key`; `None` where nothing was, or its time is over.
    fn stored<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// The same of many keys, in their order.
    fn stored_all<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(keys.len());
            for key in keys {
                all.push(self.stored(key).await?);
            }
            Ok(all)
        })
    }

    /// Forgets what completions have stored under these keys, before its time is over. Tells under how many of them something was.
    fn forget<'a>(&'a self, keys: &'a [String]) -> Boxed<'a, Result<usize, StoreError>>;

    /// Waits until something is kept under a key, by whomever; at once, where something is, or where [`stored`](Self::stored) fails. Cancel
    /// safe. A store that is not told of that looks from time to time, as this does.
    fn wait_stored<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(look_for_stored(self, key))
    }

    /// How far a group is; `None` where nothing is known of it (any more).
    fn group<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Option<GroupInfo>, StoreError>>;

    /// Where this store is, for people; without a password.
    fn address(&self) -> String;

    /// Whether Python's dramatiq shares its queues. No, unless a store says so.
    fn is_shared_with_python(&self) -> bool {
        false
    }
}

/// How long to wait before looking again, at first and at most; it doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));

/// Looks for something under a key from time to time, until it is there or cannot be looked for.
pub(crate) async fn look_for_stored(store: &(impl Inspect + ?Sized), key: &str) {
    let mut pause = PAUSES.0;
    while let Ok(None) = store.stored(key).await {
        Clock::system().sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Looks by one call after another, first for what is kept. What ends in between is left open.
async fn one_by_one(store: &(impl Inspect + ?Sized), look: &Look) -> Result<Looked, StoreError> {
    let mut looked = Looked { kept: store.stored_all(&look.keys).await?, place: Place::Open };
    if looked.is_kept() {
        return Ok(looked);
    }
    let found = store.find(look.id.as_str(), 0).await?.into_iter().filter(|found| look.is_for(found));
    if let Some(MessageInfo { name, state, .. }) = found.max_by_key(MessageInfo::is_live) {
        let told = match &state {
            State::Claimed { worker, .. } => store.stored(&look.told_by(worker)).await?,
            _ => None,
        };
        looked.place = Place::At { name, state, told };
    }
    Ok(looked)
}
