//! Fetching: what is popped is claimed in the same step.

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::Value;

use super::RedisStore;
use super::candidates::QueueAnswer;
use super::connection::CallError;
use super::error::from_script;
use super::limits::{CHUNK, is_many};
use super::scripts::{millis, read};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{Claim, Delivery, FetchRequest, Fetched, Registration, Undecodable};
use crate::stores::shared::shares::FETCH_BYTES;

/// The least that is asked for.
const LEAST_BYTES: usize = 64 * 1024;

/// How many bytes a fetch may bring: less after one whose answer was lost, more again after one that came.
#[derive(Debug)]
pub(super) struct ByteBudget(AtomicUsize);

impl Default for ByteBudget {
    fn default() -> Self {
        Self(AtomicUsize::new(FETCH_BYTES))
    }
}

impl ByteBudget {
    fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn answered(&self) {
        self.0.store((self.bytes() * 2).min(FETCH_BYTES), Ordering::Relaxed);
    }

    fn lost(&self) {
        self.0.store((self.bytes() / 2).max(LEAST_BYTES), Ordering::Relaxed);
    }
}

/// Brings at most about [`FETCH_BYTES`], less after an answer that was lost, or one message where that is larger.
pub(super) async fn run(
    store: &RedisStore,
    registration: &Registration,
    requests: &[FetchRequest],
    limit: usize,
) -> Result<Fetched, StoreError> {
    let asked = store.candidates.choose(requests);
    let most = asked.requests.iter().fold(0, |sum: usize, request| sum.saturating_add(request.count.min(CHUNK)));
    let mut call = store.script(&store.scripts.fetch);
    call.text(registration.worker.as_str()).count(store.byte_budget.bytes()).count(limit.min(most));
    let is_looking_ahead = asked.requests.iter().any(|request| request.before.is_some());
    // Who looks for what goes before what it has, does not listen for the others.
    let group = store.notifier.duty().group().filter(|_| !is_looking_ahead);
    call.text(group.as_deref().unwrap_or_default()).text(store.notifier.duty().member());
    for request in &asked.requests {
        call.text(request.queue.as_str()).text(&store.keys.fleet(&request.queue)).count(request.count.min(CHUNK));
        match request.before {
            Some(before) => call.number(before),
            None => call.text(""),
        };
    }
    let asked_at = store.clock.uptime();
    let _call = store.under_way(&registration.worker);
    let answer = call.run::<Vec<Value>>(&store.link).await;
    match &answer {
        Ok(_) => store.byte_budget.answered(),
        Err(CallError::Lost(_)) => store.byte_budget.lost(),
        Err(_) => {}
    }
    let mut answer = answer?;
    let now = Timestamp::from_millis(read(answer.pop().unwrap_or_default())?);
    store.clock.follow(now, asked_at);
    let due: String = read(answer.pop().unwrap_or_default())?;
    let is_handed_on = read(answer.pop().unwrap_or_default())?;
    let may_have_more: Vec<i8> = read(answer.pop().unwrap_or_default())?;
    let refusals: Vec<(String, String)> = read(answer.pop().unwrap_or_default())?;
    let dropped: Vec<Vec<u8>> = read(answer.pop().unwrap_or_default())?;
    let dead_lettered: Vec<(String, Vec<u8>, String)> = read(answer.pop().unwrap_or_default())?;
    let crashed: Vec<(usize, u32)> = read(answer.pop().unwrap_or_default())?;
    if !dropped.is_empty() {
        let ids: Vec<_> = dropped.iter().map(|id| String::from_utf8_lossy(id)).collect();
        tracing::debug!(target: "common::broker", ?ids, "dropped from the list: without a body, or held by this worker already");
    }
    for (queue, id, reason) in dead_lettered {
        let (id, queue) = (String::from_utf8_lossy(&id), QueueName::canonical(&queue));
        tracing::warn!(target: "common::broker", "{id} in {queue} is not run, kept in {}: {reason}", queue.dead_letter());
    }
    let mut deliveries = Vec::new();
    let mut answers = Vec::with_capacity(asked.requests.len());
    for ((request, found), more) in asked.requests.iter().zip(answer).zip(may_have_more) {
        let found: Vec<(Vec<u8>, Vec<u8>)> = read(found)?;
        answers.push(match more {
            0 => QueueAnswer::Empty,
            1 if !found.is_empty() => QueueAnswer::MayHaveMore,
            _ => QueueAnswer::NothingYet,
        });
        deliveries.extend(found.into_iter().map(|(id, bytes)| delivery(request, &id, bytes, now)));
    }
    let more = store.candidates.learn(&asked, &answers);
    if !is_looking_ahead {
        store.notifier.fetched(!deliveries.is_empty());
    }
    if is_handed_on {
        store.notifier.duty().handed_on();
    }
    for (place, crashes) in crashed {
        // Places count from 1 in the script.
        if let Some(delivery) = place.checked_sub(1).and_then(|place| deliveries.get_mut(place)) {
            (delivery.crashes, delivery.marked) = (crashes, true);
        }
    }
    let refused = refusals.into_iter().map(|(queue, text)| (queue, from_script(&text))).collect();
    let is_asked = |queue: &str| asked.requests.iter().any(|request| request.queue.as_str() == queue);
    match store.fetching.see(refused, is_asked) {
        // With nothing but trouble the caller pauses; what the other queues have must not be held up by it.
        Some(error) if requests.iter().all(|request| store.fetching.is_refused(&request.queue)) => Err(error),
        _ => Ok(Fetched {
            now,
            deliveries,
            next_due: due.parse().ok().map(millis).filter(|_| !is_many(registration)),
            more,
        }),
    }
}

fn delivery(request: &FetchRequest, id: &[u8], bytes: Vec<u8>, now: Timestamp) -> Delivery {
    let body = Message::decode(&bytes, now).map_err(|error| Undecodable { bytes, error });
    let claim = Claim::of(&request.queue, String::from_utf8_lossy(id).into(), &body);
    Delivery { claim, body, crashes: 0, marked: false }
}
