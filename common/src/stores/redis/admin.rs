//! Moving by hand what lies in the store, while workers run.

use super::RedisStore;
use super::connection::CallError;
use super::limits::{CHUNK, CHUNK_BYTES};
use super::record::Record;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{Cancelled, PURGE_LIMIT};

/// How often a move is tried again because a message was claimed by somebody else, or an id was in use.
const MAX_ROUNDS: usize = 5;

/// How long a cancellation is remembered that no end takes away, because Python knows of none: seven days.
const REMEMBER_CANCELLATIONS_SECONDS: usize = 7 * 24 * 60 * 60;

/// Python's workers cannot hear of a cancellation. What they run goes to its end; what they hold until its time, or retry, comes
/// back under another name, and is run. What others take over from them under the old one is not run again.
pub(super) async fn cancel(
    store: &RedisStore,
    queue: &QueueName,
    name: &str,
    reason: &str,
) -> Result<Option<Cancelled>, StoreError> {
    for _ in 0..MAX_ROUNDS {
        // Who holds it is looked up a page at a time; the step itself asks only whether that is still so.
        let mut holder = store.holder(queue, "", name).await?;
        if holder.is_none() {
            holder = store.holder(queue, ".DQ", name).await?;
        }
        let worker = holder.map(|(worker, _)| worker).unwrap_or_default();
        let mut call = store.script(&store.scripts.cancel);
        call.text(queue.as_str()).text(&store.keys.fleet(queue)).text(name).text(reason);
        call.count(REMEMBER_CANCELLATIONS_SECONDS).text(&worker);
        let was: String = call.run(&store.link).await?;
        match was.as_str() {
            "ready" => return Ok(Some(Cancelled::Ready)),
            "delayed" => return Ok(Some(Cancelled::Delayed)),
            "claimed" => return Ok(Some(Cancelled::Claimed { worker })),
            "none" => return Ok(None),
            // Somebody else has claimed it since.
            _ => {}
        }
    }
    Err(StoreError::Refused(format!("`{name}` is in no list of {queue}, and no worker that is known holds it")))
}

pub(super) async fn pause(store: &RedisStore, queue: &QueueName, paused: bool) -> Result<bool, StoreError> {
    let mut call = store.script(&store.scripts.pause);
    call.text(queue.as_str()).text(if paused { "pause" } else { "resume" });
    Ok(call.run(&store.link).await?)
}

pub(super) async fn purge(store: &RedisStore, queue: &QueueName) -> Result<usize, StoreError> {
    loop {
        let mut call = store.script(&store.scripts.purge);
        call.text(queue.as_str()).text(&store.keys.fleet(queue)).count(PURGE_LIMIT);
        let (purged, has_more): (usize, bool) = call.run(&store.link).await?;
        // Ids without a body count for nothing, and are gone as well.
        if purged > 0 || !has_more {
            return Ok(purged);
        }
    }
}

pub(super) async fn requeue_dead(
    store: &RedisStore,
    queue: &QueueName,
    letters: &[(String, Message)],
) -> Result<Vec<bool>, StoreError> {
    let mut requeued = vec![false; letters.len()];
    let mut open: Vec<usize> = (0..letters.len()).collect();
    for _ in 0..MAX_ROUNDS {
        let mut in_use = Vec::new();
        let mut rest = open.as_slice();
        while !rest.is_empty() {
            let (sent, answers) = store.send_letters(queue, letters, rest).await?;
            for (&at, answer) in sent.iter().zip(answers) {
                requeued[at] = answer == 1;
                if answer < 0 {
                    in_use.push(at);
                }
            }
            rest = &rest[sent.len()..];
        }
        if in_use.is_empty() {
            return Ok(requeued);
        }
        open = in_use;
    }
    Err(StoreError::Refused("every id is in use".to_owned()))
}

pub(super) async fn delete(store: &RedisStore, queue: &QueueName, names: &[String]) -> Result<Vec<bool>, StoreError> {
    let mut deleted = Vec::with_capacity(names.len());
    for names in names.chunks(CHUNK) {
        let mut call = store.script(&store.scripts.delete);
        call.text(queue.as_str());
        for name in names {
            call.text(name);
        }
        deleted.extend(call.run::<Vec<bool>>(&store.link).await?);
    }
    Ok(deleted)
}

impl RedisStore {
    /// One call, with as many of these letters as fit it: which those are, and the answers.
    async fn send_letters<'a>(
        &self,
        queue: &QueueName,
        letters: &[(String, Message)],
        open: &'a [usize],
    ) -> Result<(&'a [usize], Vec<i64>), CallError> {
        let now = self.clock.now();
        let mut call = self.script(&self.scripts.requeue_dead);
        call.text(queue.as_str());
        let (mut count, mut bytes) = (0, 0);
        for &at in open {
            if count == CHUNK || bytes >= CHUNK_BYTES {
                break;
            }
            let (name, message) = &letters[at];
            let mut message = message.clone();
            message.set_eta(None);
            let record = Record::fresh(&message, now);
            record.put(call.text(name), &self.keys.fleet(&record.queue));
            bytes += record.body.len();
            count += 1;
        }
        Ok((&open[..count], call.run(&self.link).await?))
    }
}
