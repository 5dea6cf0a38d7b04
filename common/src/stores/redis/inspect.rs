//! Looking inside: queues, workers, and what lies among the dead letters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use redis::Value;

use super::RedisStore;
use super::keys::Keys;
use super::limits::CHUNK;
use super::scripts::{millis, read};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{
    BEAT_INTERVAL, Claim, Counts, DEAD_AFTER, DeadLetter, PAGE, PYTHON_DEAD_AFTER, QueueInfo, WorkerInfo,
};

/// As the script answers: id, time, bytes, reason.
type Letter = (Vec<u8>, f64, Vec<u8>, String);

/// What the server knows of a worker.
struct Known {
    silent_for: Duration,
    /// Its queues, if it is a Rust worker.
    queues: Option<Vec<QueueName>>,
}

pub(super) async fn counts(store: &RedisStore, queue: &QueueName) -> Result<Counts, StoreError> {
    Ok(store.queue_and_bodies(queue).await?.0.counts)
}

/// Nothing lists the queues that Python or a sender made, so this walks through all keys.
pub(super) async fn queues(
    store: &RedisStore,
    after: Option<&QueueName>,
    limit: usize,
) -> Result<Vec<QueueInfo>, StoreError> {
    let names = store.queue_names().await?;
    let mut infos = Vec::new();
    for name in names.iter().filter(|name| after.is_none_or(|after| *name > after)).take(limit) {
        infos.push(store.queue_and_bodies(name).await?.0);
    }
    Ok(infos)
}

/// One of those that the walk finds.
pub(super) async fn queue(store: &RedisStore, queue: &QueueName) -> Result<Option<QueueInfo>, StoreError> {
    if !Keys::may_be_queue(queue) {
        return Ok(None);
    }
    let (info, has_bodies) = store.queue_and_bodies(queue).await?;
    let is_known = has_bodies || info.paused || {
        let workers = store.known_workers().await?;
        workers.values().flat_map(|known| &known.queues).any(|queues| queues.contains(queue))
    };
    Ok(is_known.then_some(info))
}

/// Python's senders show signs of life as its workers do, and cannot be told from them. What Python's workers hold is found
/// by walking through all keys, once for all of them.
pub(super) async fn workers(
    store: &RedisStore,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<WorkerInfo>, StoreError> {
    let known = store.known_workers().await?;
    let rest = known.into_iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
    let shown: Vec<(String, Known)> = rest.take(limit).collect();
    let mut of_python: HashMap<&str, BTreeSet<String>> = shown
        .iter()
        .filter(|(_, known)| known.queues.is_none())
        .map(|(id, _)| (id.as_str(), BTreeSet::new()))
        .collect();
    if !of_python.is_empty() {
        let see = |key: &str| {
            for (worker, names) in &mut of_python {
                names.extend(store.keys.claimed_from(key, worker).map(str::to_owned));
            }
            ControlFlow::Continue(())
        };
        store.walk(&store.link, &store.keys.all_claims_pattern(), see).await?;
    }
    let mut infos = Vec::new();
    for (id, known) in &shown {
        let names: Vec<String> = match &known.queues {
            Some(queues) => queues.iter().map(ToString::to_string).collect(),
            None => of_python.remove(id.as_str()).into_iter().flatten().collect(),
        };
        let limit = if known.queues.is_some() { BEAT_INTERVAL * DEAD_AFTER } else { PYTHON_DEAD_AFTER };
        infos.push(WorkerInfo {
            id: id.clone(),
            queues: known.queues.clone(),
            silent_for: known.silent_for,
            is_silent: known.silent_for >= limit,
            claims: store.claims_of(id, &names).await?,
        });
    }
    Ok(infos)
}

pub(super) async fn dead_letters(
    store: &RedisStore,
    queue: &QueueName,
    skip: usize,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    // A call brings as many as there is room for, and at least one.
    let mut letters: Vec<Letter> = Vec::new();
    while letters.len() < limit {
        let mut call = store.script(&store.scripts.dead_letters);
        call.text(queue.as_str()).count(skip + letters.len()).count((limit - letters.len()).min(CHUNK));
        let found: Vec<Letter> = call.run(&store.link).await?;
        if found.is_empty() {
            break;
        }
        letters.extend(found);
    }
    Ok(letters
        .into_iter()
        .map(|(id, died, bytes, reason)| DeadLetter {
            id: String::from_utf8_lossy(&id).into_owned(),
            bytes,
            reason: (!reason.is_empty()).then_some(reason),
            died: millis(died),
        })
        .collect())
}

pub(super) async fn stored(store: &RedisStore, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let answer = store.link.call(redis::cmd("LINDEX").arg(key).arg(0)).await?;
    read(answer)
}

pub(super) async fn stored_all(store: &RedisStore, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut call = store.script(&store.scripts.stored);
    for key in keys {
        call.text(key);
    }
    Ok(call.run(&store.link).await?)
}

pub(super) async fn forget(store: &RedisStore, keys: &[String]) -> Result<usize, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let answer = store.link.call(redis::cmd("DEL").arg(keys)).await?;
    read(answer)
}

impl RedisStore {
    /// A queue, and whether it has bodies.
    async fn queue_and_bodies(&self, queue: &QueueName) -> Result<(QueueInfo, bool), StoreError> {
        let mut call = self.script(&self.scripts.counts);
        call.text(queue.as_str()).text(&self.keys.fleet(queue));
        let (ready, delayed, claimed, dead, paused, has_bodies) = call.run(&self.link).await?;
        let counts = Counts { ready, delayed, claimed, dead };
        Ok((QueueInfo { name: queue.clone(), counts, paused }, has_bodies))
    }

    /// The queues that have bodies, that are paused, or that a Rust worker fetches from.
    pub(super) async fn queue_names(&self) -> Result<BTreeSet<QueueName>, StoreError> {
        let mut names = BTreeSet::new();
        let see = |key: &str| {
            names.extend(self.keys.queue_of(key));
            ControlFlow::Continue(())
        };
        self.walk(&self.link, &self.keys.bodies_pattern(), see).await?;
        let paused: Vec<String> = self.script(&self.scripts.paused).run(&self.link).await?;
        names.extend(paused.iter().map(|name| QueueName::canonical(name)));
        names.extend(self.known_workers().await?.into_values().filter_map(|known| known.queues).flatten());
        Ok(names)
    }

    /// All that have a heartbeat, fleets excepted.
    async fn known_workers(&self) -> Result<BTreeMap<String, Known>, StoreError> {
        let mut workers = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut call = self.script(&self.scripts.workers);
            call.text(&cursor);
            let mut answer = call.run::<Vec<Value>>(&self.link).await?.into_iter();
            cursor = read(answer.next().unwrap_or_default())?;
            let now = Timestamp::from_millis(read(answer.next().unwrap_or_default())?);
            let page: Vec<(Vec<u8>, f64, String)> = read(Value::Array(answer.collect()))?;
            workers.extend(page.into_iter().map(|(id, beat, queues)| {
                let queues = (!queues.is_empty()).then(|| queues.split(' ').map(QueueName::canonical).collect());
                let known = Known { silent_for: now.since(millis(beat)), queues };
                (String::from_utf8_lossy(&id).into_owned(), known)
            }));
            if cursor == "0" {
                return Ok(workers);
            }
        }
    }

    /// At most [`PAGE`] of a worker's claims, by what it has fetched from.
    async fn claims_of(&self, worker: &str, names: &[String]) -> Result<Vec<Claim>, StoreError> {
        let mut claims: Vec<Claim> = Vec::new();
        for names in names.chunks(CHUNK) {
            let mut call = self.script(&self.scripts.claims);
            call.text(worker).count(PAGE - claims.len());
            for name in names {
                call.text(name);
            }
            let held: Vec<Vec<Vec<u8>>> = call.run(&self.link).await?;
            claims.extend(names.iter().zip(held).flat_map(|(name, ids)| {
                let queue = QueueName::canonical(name);
                ids.into_iter().map(move |id| Claim { queue: queue.clone(), id: String::from_utf8_lossy(&id).into() })
            }));
            if claims.len() == PAGE {
                break;
            }
        }
        claims.sort_unstable();
        Ok(claims)
    }
}
