//! Since when messages run.
//!
//! A claim bears no time, as that would cost something of every message. So a worker tells of the runs that have outlasted a beat: all of
//! them under one key of its own, `NAMESPACE:@runs.WORKER`, whenever there are others than before. Runs that are short cost nothing.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Raw;
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

/// Under which key a worker tells of its runs.
pub(crate) fn key(namespace: &str, worker: &str) -> String {
    format!("{namespace}:@runs.{worker}")
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
    let State::Claimed { worker, .. } = &found.state else { return Ok(None) };
    let told = store.stored(&key(namespace, worker)).await?;
    Ok(told.and_then(|told| told_since(&told, found)))
}

fn told_since(told: &[u8], found: &MessageInfo) -> Option<Timestamp> {
    let runs: Vec<(String, String, i64)> = serde_json::from_slice(told).ok()?;
    let its = runs.into_iter().find(|(queue, name, _)| *queue == found.queue.as_str() && *name == found.name);
    its.map(|(_, _, since)| Timestamp::from_millis(since))
}
