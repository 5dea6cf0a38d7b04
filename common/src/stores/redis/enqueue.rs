//! Enqueueing: in chunks, each stored as a whole or not at all.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashMapExt as _};

use super::RedisStore;
use super::connection::CallError;
use super::limits::{CHUNK, CHUNK_BYTES};
use super::record::Record;
use crate::clock::Timestamp;
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;

/// How often a chunk is sent again because ids were in use; a fresh id never is.
const MAX_ROUNDS: usize = 5;

/// A message on its way, with the place among all that it was sent in.
type Pending<'a> = (&'a Message, Record);

pub(super) async fn run(store: &RedisStore, messages: &[Message]) -> Result<(), EnqueueError> {
    let mut stored = 0;
    let mut seen = HashMap::with_capacity(messages.len());
    while stored < messages.len() {
        let (taken, chunk) = store.chunk(&messages[stored..], &mut seen);
        store.enqueue_chunk(chunk).await.map_err(|error| match error {
            CallError::Lost(cause) => EnqueueError::Unknown(cause),
            error => EnqueueError::NotStored { stored, cause: error.into() },
        })?;
        stored += taken;
    }
    Ok(())
}

impl RedisStore {
    /// As many messages as fit one call, and how many that are with those that occurred before.
    fn chunk<'a>(
        &self,
        messages: &'a [Message],
        seen: &mut HashMap<(QueueName, String), &'a Message>,
    ) -> (usize, Vec<Pending<'a>>) {
        let now = self.clock.now();
        let mut chunk = Vec::with_capacity(messages.len().min(CHUNK));
        let mut bytes = 0;
        for (taken, message) in messages.iter().enumerate() {
            if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
                return (taken, chunk);
            }
            let mut record = Record::first(message, now);
            match seen.entry((record.queue.clone(), record.id.clone())) {
                Entry::Occupied(first) if *first.get() == message => continue,
                Entry::Occupied(_) => record = Record::fresh(message, now),
                Entry::Vacant(free) => {
                    free.insert(message);
                }
            }
            bytes += record.body.len();
            chunk.push((message, record));
        }
        (messages.len(), chunk)
    }

    async fn enqueue_chunk(&self, mut pending: Vec<Pending<'_>>) -> Result<(), CallError> {
        for _ in 0..MAX_ROUNDS {
            if pending.is_empty() {
                return Ok(());
            }
            let (sent, in_use) = self.send(&pending).await?;
            if in_use.is_empty() {
                return Ok(());
            }
            // Nothing was stored: what is there already is left out, what found its id taken gets another.
            let mut is_there = vec![false; pending.len()];
            let mut is_taken = vec![false; pending.len()];
            for place in in_use {
                let index = usize::try_from(place.unsigned_abs()).unwrap_or_default();
                let Some(&index) = index.checked_sub(1).and_then(|index| sent.get(index)) else {
                    continue;
                };
                let found = if place > 0 { &mut is_there } else { &mut is_taken };
                found[index] = true;
            }
            let now = self.clock.now();
            pending = pending
                .into_iter()
                .enumerate()
                .filter(|(index, _)| !is_there[*index])
                .map(|(index, (message, record))| {
                    let record = if is_taken[index] { Record::fresh(message, now) } else { record };
                    (message, record)
                })
                .collect();
        }
        Err(CallError::Refused(StoreError::Refused("every id is in use".to_owned())))
    }

    /// One call: the messages in the order that they were sent in, and the places of those whose ids are in use.
    async fn send(&self, pending: &[Pending<'_>]) -> Result<(Vec<usize>, Vec<i64>), CallError> {
        let mut queues: Vec<(&QueueName, Vec<usize>, Vec<usize>)> = Vec::new();
        for (index, (_, record)) in pending.iter().enumerate() {
            let at = queues.iter().position(|(queue, ..)| **queue == record.queue).unwrap_or_else(|| {
                queues.push((&record.queue, Vec::new(), Vec::new()));
                queues.len() - 1
            });
            let (_, plain, others) = &mut queues[at];
            // What comes after others comes with them: the plain ones are stored first, and the order has to stay.
            let kind = if record.is_plain() && others.is_empty() { plain } else { others };
            kind.push(index);
        }
        let mut call = self.script(&self.scripts.enqueue);
        let mut sent = Vec::with_capacity(pending.len());
        for (queue, plain, others) in queues {
            call.text(queue.as_str()).text(&self.keys.fleet(queue)).count(plain.len());
            for &index in &plain {
                let record = &pending[index].1;
                call.text(&record.id).bytes(&record.body);
            }
            call.count(others.len());
            for &index in &others {
                let record = &pending[index].1;
                call.text(&record.id).bytes(&record.body).number(record.due).number(record.priority);
            }
            sent.extend(plain);
            sent.extend(others);
        }
        let asked_at = self.clock.uptime();
        let mut answer: Vec<i64> = call.run(&self.link).await?;
        // A sender hears of the server's time by nothing else.
        if !answer.is_empty() {
            self.clock.follow(Timestamp::from_millis(answer.remove(0)), asked_at);
        }
        Ok((sent, answer))
    }
}
