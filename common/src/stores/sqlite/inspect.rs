//! Looking inside; nothing here writes.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::moves::{Held, Tx, name, parts, select_held};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{
    AHEAD_LIMIT, BEAT_INTERVAL, Claim, Counts, DEAD_AFTER, DeadLetter, MessageInfo, PAGE, QueueInfo, State, WorkerInfo,
};

pub(super) async fn queues(
    store: &SqliteStore,
    after: Option<&QueueName>,
    limit: usize,
) -> Result<Vec<QueueInfo>, StoreError> {
    let namespace = store.namespace.clone();
    let after = after.map(|after| after.as_str().to_owned()).unwrap_or_default();
    store.read(move |connection| Ok(queue_rows(connection, &namespace, ">", &after, limit)?)).await
}

pub(super) async fn queue(store: &SqliteStore, queue: &QueueName) -> Result<Option<QueueInfo>, StoreError> {
    let (namespace, queue) = (store.namespace.clone(), queue.clone());
    store.read(move |connection| Ok(queue_rows(connection, &namespace, "=", queue.as_str(), 1)?.pop())).await
}

pub(super) async fn counts(store: &SqliteStore, queue: &QueueName) -> Result<Counts, StoreError> {
    let (namespace, queue) = (store.namespace.clone(), queue.clone());
    store
        .read(move |connection| match Tx::new(connection, &namespace).find_queue(&queue)? {
            Some(queue) => Ok(count(connection, queue)?),
            None => Ok(Counts::default()),
        })
        .await
}

pub(super) async fn workers(
    store: &SqliteStore,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<WorkerInfo>, StoreError> {
    let (namespace, now) = (store.namespace.clone(), store.clock.now());
    let after = after.unwrap_or_default().to_owned();
    store
        .read(move |connection| {
            let mut workers = connection.prepare_cached(
                "SELECT id, name, beat, queues FROM workers WHERE namespace = ? AND name > ? ORDER BY name LIMIT ?",
            )?;
            let found = workers.query_map(params![&*namespace, after, limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            });
            let found: Vec<(i64, String, i64, String)> = found?.collect::<Result<_, _>>()?;
            let info = |(number, id, beat, queues): (i64, String, i64, String)| {
                let silent_for = now.since(Timestamp::from_millis(beat));
                let queues: Vec<String> = serde_json::from_str(&queues).unwrap_or_default();
                Ok(WorkerInfo {
                    id,
                    queues: Some(queues.iter().map(|name| QueueName::canonical(name)).collect()),
                    silent_for,
                    is_silent: silent_for >= SILENCE,
                    claims: claims(connection, number)?,
                })
            };
            Ok(found.into_iter().map(info).collect::<rusqlite::Result<_>>()?)
        })
        .await
}

pub(super) async fn find(store: &SqliteStore, id: &str) -> Result<Vec<MessageInfo>, StoreError> {
    let (namespace, id) = (store.namespace.clone(), id.to_owned());
    store
        .read(move |connection| {
            let all = |meant: &Meant| {
                let mut found = living(connection, &namespace, meant)?;
                found.extend(dead(connection, &namespace, meant)?);
                found.truncate(PAGE);
                Ok::<_, rusqlite::Error>(found)
            };
            if let Some(name) = Meant::name(&id) {
                let found = all(&name)?;
                // An id may look like a name.
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(all(&Meant::start(&id))?)
        })
        .await
}

/// What lies under the name of a claim.
pub(super) async fn claim(store: &SqliteStore, claim: &Claim) -> Result<Option<MessageInfo>, StoreError> {
    let (namespace, claim) = (store.namespace.clone(), claim.clone());
    store
        .read(move |connection| {
            let tx = Tx::new(connection, &namespace);
            let Some(queue) = tx.find_queue(&claim.queue)? else { return Ok(None) };
            let Some(held) = tx.held(queue, &claim.id)? else { return Ok(None) };
            Ok(Some(info(connection, &claim.queue, &held)?))
        })
        .await
}

pub(super) async fn dead_letters(
    store: &SqliteStore,
    queue: &QueueName,
    skip: usize,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let (namespace, queue) = (store.namespace.clone(), queue.clone());
    store
        .read(move |connection| {
            let Some(queue) = Tx::new(connection, &namespace).find_queue(&queue)? else { return Ok(Vec::new()) };
            let mut letters = connection.prepare_cached(
                "SELECT id, seq, body, reason, died FROM dead WHERE queue = ? ORDER BY died, seq LIMIT ? OFFSET ?",
            )?;
            let found = letters.query_map(params![queue, limit, skip], |row| {
                Ok(DeadLetter {
                    id: name(&row.get::<_, String>(0)?, row.get(1)?),
                    bytes: row.get(2)?,
                    reason: Some(row.get(3)?),
                    died: Timestamp::from_millis(row.get(4)?),
                })
            });
            Ok(found?.collect::<rusqlite::Result<_>>()?)
        })
        .await
}

pub(super) async fn forget(store: &SqliteStore, keys: &[String]) -> Result<usize, StoreError> {
    let (namespace, keys, now) = (store.namespace.clone(), keys.to_vec(), store.clock.now());
    store
        .write_rows(keys.len(), move |connection| {
            let mut forget =
                connection.prepare_cached("DELETE FROM stored WHERE namespace = ? AND key = ? RETURNING until > ?")?;
            let mut forgotten = 0;
            for key in &keys {
                let was_there: Option<bool> =
                    forget.query_row(params![&*namespace, key, now.as_millis()], |row| row.get(0)).optional()?;
                forgotten += usize::from(was_there == Some(true));
            }
            Ok(forgotten)
        })
        .await
}

pub(super) async fn stored(store: &SqliteStore, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(stored_all(store, &[key.to_owned()]).await?.pop().flatten())
}

pub(super) async fn stored_all(store: &SqliteStore, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let (namespace, keys, now) = (store.namespace.clone(), keys.to_vec(), store.clock.now());
    store.read(move |connection| Ok(kept(connection, &namespace, &keys, now)?)).await
}

/// What is kept under some keys.
pub(super) fn kept(
    connection: &Connection,
    namespace: &str,
    keys: &[String],
    now: Timestamp,
) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
    let mut stored =
        connection.prepare_cached("SELECT value FROM stored WHERE namespace = ? AND key = ? AND until > ?")?;
    let kept = |key| stored.query_row(params![namespace, key, now.as_millis()], |row| row.get(0)).optional();
    keys.iter().map(kept).collect()
}

/// A worker that has been silent for so long is about to be found dead.
const SILENCE: Duration = BEAT_INTERVAL.saturating_mul(DEAD_AFTER);

/// The queues that hold something, are paused or have a worker, of those whose name is `>` or `=` this one.
fn queue_rows(
    connection: &Connection,
    namespace: &str,
    compared: &str,
    name: &str,
    limit: usize,
) -> rusqlite::Result<Vec<QueueInfo>> {
    let mut queues = connection.prepare_cached(&format!(
        "SELECT name, id, paused FROM queues WHERE namespace = ?1 AND name {compared} ?2 AND (paused
             OR EXISTS (SELECT 1 FROM messages WHERE queue = queues.id AND worker IS NULL AND due IS NULL)
             OR EXISTS (SELECT 1 FROM messages WHERE queue = queues.id AND due IS NOT NULL)
             OR EXISTS (SELECT 1 FROM messages WHERE worker IS NOT NULL AND queue = queues.id)
             OR EXISTS (SELECT 1 FROM dead WHERE queue = queues.id)
             OR EXISTS (SELECT 1 FROM workers, json_each(workers.queues) AS each
                        WHERE workers.namespace = ?1 AND each.value = queues.name))
         ORDER BY name LIMIT ?3",
    ))?;
    let found = queues
        .query_map(params![namespace, name, limit], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)));
    let found: Vec<(String, i64, bool)> = found?.collect::<Result<_, _>>()?;
    let info = |(name, queue, paused): (String, i64, bool)| {
        Ok(QueueInfo { name: QueueName::canonical(&name), counts: count(connection, queue)?, paused })
    };
    found.into_iter().map(info).collect()
}

/// Each is a walk through an index, of which that of what is claimed holds all queues: as much as workers have slots.
fn count(connection: &Connection, queue: i64) -> rusqlite::Result<Counts> {
    let mut counts = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL),
                (SELECT count(*) FROM messages WHERE queue = ?1 AND due IS NOT NULL),
                (SELECT count(*) FROM messages WHERE worker IS NOT NULL AND queue = ?1),
                (SELECT count(*) FROM dead WHERE queue = ?1)",
    )?;
    counts.query_row([queue], |row| {
        Ok(Counts { ready: row.get(0)?, delayed: row.get(1)?, claimed: row.get(2)?, dead: row.get(3)? })
    })
}

fn claims(connection: &Connection, worker: i64) -> rusqlite::Result<Vec<Claim>> {
    let mut claims = connection.prepare_cached(
        "SELECT queues.name, messages.id, seq FROM messages JOIN queues ON queues.id = queue
         WHERE worker = ? ORDER BY queues.name, messages.id, seq LIMIT ?",
    )?;
    let found = claims.query_map(params![worker, PAGE], |row| {
        let (queue, id): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(Claim { queue: QueueName::canonical(&queue), id: Arc::from(name(&id, row.get(2)?)) })
    });
    found?.collect()
}

/// Which messages are meant.
enum Meant {
    /// The one of this id in this row.
    Name { id: String, seq: i64 },
    /// All whose id lies between these two.
    Start { first: String, last: String },
}

impl Meant {
    fn name(text: &str) -> Option<Self> {
        parts(text).map(|(id, seq)| Self::Name { id: id.to_owned(), seq })
    }

    fn start(text: &str) -> Self {
        Self::Start { first: text.to_owned(), last: format!("{text}{}", char::MAX) }
    }
}

fn living(connection: &Connection, namespace: &str, meant: &Meant) -> rusqlite::Result<Vec<MessageInfo>> {
    let read = |row: &Row<'_>| Ok((QueueName::canonical(&row.get::<_, String>("queue_name")?), Held::read(row)?));
    let found: Vec<(QueueName, Held)> = match meant {
        Meant::Name { id, seq } => connection
            .prepare_cached(select_held!(
                ", queues.name AS queue_name FROM messages JOIN queues ON queues.id = queue
                 WHERE namespace = ? AND messages.seq = ? AND messages.id = ?"
            ))?
            .query_map(params![namespace, seq, id], read)?
            .collect::<Result<_, _>>()?,
        // By the index alone, which holds no bodies.
        Meant::Start { first, last } => connection
            .prepare_cached(select_held!(
                ", queues.name AS queue_name FROM messages JOIN queues ON queues.id = queue
                 WHERE namespace = ? AND messages.seq IN (
                     SELECT seq FROM messages INDEXED BY ids WHERE id BETWEEN ? AND ?)
                 ORDER BY messages.id, messages.seq LIMIT ?"
            ))?
            .query_map(params![namespace, first, last, PAGE], read)?
            .collect::<Result<_, _>>()?,
    };
    found.into_iter().map(|(queue, message)| info(connection, &queue, &message)).collect()
}

/// The place of a message that is no dead letter.
pub(super) fn state(connection: &Connection, message: &Held) -> rusqlite::Result<State> {
    if let Some(worker) = message.worker {
        let worker = connection.query_row("SELECT name FROM workers WHERE id = ?", [worker], |row| row.get(0));
        let worker = worker.optional()?.unwrap_or_default();
        return Ok(State::Claimed { worker, cancelled: message.cancelled.is_some() });
    }
    if let Some(due) = message.due {
        return Ok(State::Delayed { due: Timestamp::from_millis(due) });
    }
    let mut ahead = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL
             AND (priority, rank) < (SELECT priority, rank FROM messages WHERE seq = ?2) LIMIT ?3)",
    )?;
    let ahead: usize = ahead.query_row(params![message.queue, message.seq, AHEAD_LIMIT + 1], |row| row.get(0))?;
    Ok(State::Ready { ahead: Some(ahead).filter(|ahead| *ahead <= AHEAD_LIMIT) })
}

fn info(connection: &Connection, queue: &QueueName, message: &Held) -> rusqlite::Result<MessageInfo> {
    let mut body = connection.prepare_cached("SELECT body FROM messages WHERE seq = ?")?;
    Ok(MessageInfo {
        queue: queue.clone(),
        name: name(&message.id, message.seq),
        bytes: body.query_row([message.seq], |row| row.get(0))?,
        crashes: message.note.crashes(),
        state: state(connection, message)?,
    })
}

fn dead(connection: &Connection, namespace: &str, meant: &Meant) -> rusqlite::Result<Vec<MessageInfo>> {
    let read = |row: &Row<'_>| {
        Ok(MessageInfo {
            queue: QueueName::canonical(&row.get::<_, String>(0)?),
            name: name(&row.get::<_, String>(1)?, row.get(2)?),
            bytes: row.get(3)?,
            crashes: 0,
            state: State::Dead { reason: Some(row.get(4)?), died: Timestamp::from_millis(row.get(5)?) },
        })
    };
    match meant {
        Meant::Name { id, seq } => connection
            .prepare_cached(
                "SELECT queues.name, dead.id, seq, body, reason, died FROM dead JOIN queues ON queues.id = queue
                 WHERE namespace = ? AND seq = ? AND dead.id = ?",
            )?
            .query_map(params![namespace, seq, id], read)?
            .collect(),
        Meant::Start { first, last } => connection
            .prepare_cached(
                "SELECT queues.name, dead.id, seq, body, reason, died
                 FROM dead INDEXED BY dead_ids JOIN queues ON queues.id = queue
                 WHERE namespace = ? AND dead.id BETWEEN ? AND ? ORDER BY dead.id, seq LIMIT ?",
            )?
            .query_map(params![namespace, first, last, PAGE], read)?
            .collect(),
    }
}
