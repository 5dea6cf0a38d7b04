//! Since when messages run.
//!
//! A claim bears no time, as that would cost something of every message. So a worker tells of the runs that have outlasted a beat: all of
//! them under one key of its own, `NAMESPACE:@runs.WORKER`, whenever there are others than before. Runs that are short cost nothing.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Raw;
use crate::queue_name::QueueName;
use crate::store::{Claim, Inspect, Kept, MessageInfo, State};

/// How long it is known what a worker has told; one that lives tells it again in time.
pub(crate) const TTL: Duration = Duration::from_secs(60);

/// How many runs a worker tells of at most.
pub(crate) const LIMIT: usize = 1_000;

/// A run that has outlasted a beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LongRun {
    pub(crate) claim: Claim,
    pub(crate) since: Timestamp,
}

/// How all keys begin under which workers tell of their runs; the rest is a worker's id.
pub(super) fn keys(namespace: &str) -> String {
    format!("{namespace}:@runs.")
}

/// Under which key a worker tells of its runs.
pub(crate) fn key(namespace: &str, worker: &str) -> String {
    keys(namespace) + worker
}

/// What it tells: `[[queue, name, since], …]`.
pub(crate) fn report(namespace: &str, worker: &str, runs: &[LongRun]) -> Kept {
    let runs = runs.iter().map(|LongRun { claim, since }| {
        Raw::array([Raw::from(claim.queue.as_str()), Raw::from(&*claim.id), Raw::from(since.as_millis())])
    });
    let value = Raw::array(runs).as_str().as_bytes().to_vec();
    Kept { key: key(namespace, worker), value, ttl: TTL }
}

/// Since when a message runs that was found; `None` where its worker has not told.
pub(super) async fn since(
    store: &dyn Inspect,
    namespace: &str,
    found: &MessageInfo,
) -> Result<Option<Timestamp>, StoreError> {
    let told = told(store, &keys(namespace), found).await?;
    Ok(told.and_then(|told| since_in(&told, &found.queue, &found.name)))
}

/// What the worker tells that holds what was found.
pub(super) async fn told(store: &dyn Inspect, keys: &str, found: &MessageInfo) -> Result<Option<Vec<u8>>, StoreError> {
    let State::Claimed { worker, .. } = &found.state else { return Ok(None) };
    store.stored(&format!("{keys}{worker}")).await
}

/// Since when the message of this name runs, by what its worker tells.
pub(super) fn since_in(told: &[u8], queue: &QueueName, name: &str) -> Option<Timestamp> {
    let runs: Vec<(String, String, i64)> = serde_json::from_slice(told).ok()?;
    let its = runs.into_iter().find(|(of, known, _)| of == queue.as_str() && known == name);
    its.map(|(_, _, since)| Timestamp::from_millis(since))
}
