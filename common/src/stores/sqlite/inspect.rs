//! Looking inside; nothing here writes.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::moves::{Held, Space};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    AHEAD_LIMIT, BEAT_INTERVAL, Claim, Counts, DEAD_AFTER, DeadLetter, Location, PAGE, QueueSight, Sighting,
    WorkerSight,
};

impl SqliteStore {
    pub(super) async fn list_queues(
        &self,
        after: Option<&QueueName>,
        limit: usize,
    ) -> Result<Vec<QueueSight>, StoreError> {
        let namespace = self.namespace.clone();
        let after = after.map(|after| after.as_str().to_owned()).unwrap_or_default();
        self.look(move |connection| {
            let mut queues = connection.prepare_cached(
                "SELECT name, id, paused FROM queues WHERE namespace = ?1 AND name > ?2 AND (paused
                     OR EXISTS (SELECT 1 FROM messages WHERE queue = queues.id)
                     OR EXISTS (SELECT 1 FROM dead WHERE queue = queues.id)
                     OR EXISTS (SELECT 1 FROM workers, json_each(workers.queues) AS each
                                WHERE workers.namespace = ?1 AND each.value = queues.name))
                 ORDER BY name LIMIT ?3",
            )?;
            let found = queues.query_map(params![&*namespace, after, limit], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
            });
            let found: Vec<(String, i64, bool)> = found?.collect::<Result<_, _>>()?;
            let sight = |(name, queue, paused): (String, i64, bool)| {
                Ok(QueueSight { name: QueueName::canonical(&name), counts: counts(connection, queue)?, paused })
            };
            Ok(found.into_iter().map(sight).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    pub(super) async fn count(&self, queue: &QueueName) -> Result<Counts, StoreError> {
        let (namespace, queue) = (self.namespace.clone(), queue.clone());
        self.look(move |connection| match Space::new(connection, &namespace).find_queue(&queue)? {
            Some(queue) => Ok(counts(connection, queue)?),
            None => Ok(Counts::default()),
        })
        .await
    }

    pub(super) async fn list_workers(&self, after: Option<&str>, limit: usize) -> Result<Vec<WorkerSight>, StoreError> {
        let (namespace, now) = (self.namespace.clone(), self.clock.now());
        let after = after.unwrap_or_default().to_owned();
        self.look(move |connection| {
            let mut workers = connection.prepare_cached(
                "SELECT id, name, beat, queues FROM workers WHERE namespace = ? AND name > ? ORDER BY name LIMIT ?",
            )?;
            let found = workers.query_map(params![&*namespace, after, limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            });
            let found: Vec<(i64, String, i64, String)> = found?.collect::<Result<_, _>>()?;
            let sight = |(number, id, beat, queues): (i64, String, i64, String)| {
                let silent_for = now.since(Timestamp::from_millis(beat));
                let queues: Vec<String> = serde_json::from_str(&queues).unwrap_or_default();
                Ok(WorkerSight {
                    id,
                    queues: Some(queues.iter().map(|name| QueueName::canonical(name)).collect()),
                    silent_for,
                    is_silent: silent_for >= SILENCE,
                    holds: holds(connection, number)?,
                })
            };
            Ok(found.into_iter().map(sight).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    pub(super) async fn find_messages(&self, id: &str, depth: usize) -> Result<Vec<Sighting>, StoreError> {
        let (namespace, id) = (self.namespace.clone(), id.to_owned());
        self.look(move |connection| {
            let mut queues =
                connection.prepare_cached("SELECT id, name FROM queues WHERE namespace = ? ORDER BY name")?;
            let queues = queues.query_map([&*namespace], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
            let mut found = Vec::new();
            for queue in queues?.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
                let (number, name) = (queue.0, QueueName::canonical(&queue.1));
                found.extend(living(connection, number, &name, &id, depth)?);
                found.extend(dead(connection, number, &name, &id, depth)?);
                if found.len() >= PAGE {
                    break;
                }
            }
            found.truncate(PAGE);
            Ok(found)
        })
        .await
    }

    pub(super) async fn read_dead_letters(
        &self,
        queue: &QueueName,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let (namespace, queue) = (self.namespace.clone(), queue.clone());
        self.look(move |connection| {
            let Some(queue) = Space::new(connection, &namespace).find_queue(&queue)? else { return Ok(Vec::new()) };
            let mut letters = connection.prepare_cached(
                "SELECT name, body, reason, died FROM dead WHERE queue = ? ORDER BY died, seq LIMIT ? OFFSET ?",
            )?;
            let found = letters.query_map(params![queue, limit, skip], |row| {
                Ok(DeadLetter {
                    id: row.get(0)?,
                    bytes: row.get(1)?,
                    reason: Some(row.get(2)?),
                    died: Timestamp::from_millis(row.get(3)?),
                })
            });
            Ok(found?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    pub(super) async fn read_stored(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (namespace, key, now) = (self.namespace.clone(), key.to_owned(), self.clock.now());
        self.look(move |connection| {
            let mut stored =
                connection.prepare_cached("SELECT value FROM stored WHERE namespace = ? AND key = ? AND until > ?")?;
            Ok(stored.query_row(params![&*namespace, key, now.as_millis()], |row| row.get(0)).optional()?)
        })
        .await
    }
}

/// A worker that has been silent for so long is about to be found dead.
const SILENCE: Duration = BEAT_INTERVAL.saturating_mul(DEAD_AFTER);

/// Each is a walk through an index that holds nothing else.
fn counts(connection: &Connection, queue: i64) -> rusqlite::Result<Counts> {
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

fn holds(connection: &Connection, worker: i64) -> rusqlite::Result<Vec<Claim>> {
    let mut holds = connection.prepare_cached(
        "SELECT queues.name, messages.name FROM messages JOIN queues ON queues.id = queue
         WHERE worker = ? ORDER BY queues.name, messages.name LIMIT ?",
    )?;
    let found = holds.query_map(params![worker, PAGE], |row| {
        let (queue, name): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(Claim { queue: QueueName::canonical(&queue), id: Arc::from(name) })
    });
    found?.collect()
}

/// What is behind all names that start so.
fn behind(id: &str) -> String {
    format!("{id}{}", char::MAX)
}

/// Whether a body is that of a message whose id starts so.
fn has_id(body: &[u8], id: &str) -> bool {
    Message::decode(body, Timestamp::EPOCH).is_ok_and(|message| message.message_id.as_str().starts_with(id))
}

fn living(
    connection: &Connection,
    queue: i64,
    name: &QueueName,
    id: &str,
    depth: usize,
) -> rusqlite::Result<Vec<Sighting>> {
    let mut named = connection
        .prepare_cached("SELECT * FROM messages WHERE queue = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?")?;
    let mut found: Vec<Held> =
        named.query_map(params![queue, id, behind(id), PAGE], Held::read)?.collect::<Result<_, _>>()?;
    if depth > 0 {
        let mut all = connection.prepare_cached("SELECT * FROM messages WHERE queue = ? ORDER BY name LIMIT ?")?;
        for message in all.query_map(params![queue, depth], Held::read)? {
            let message = message?;
            if !message.name.starts_with(id) && has_id(&message.body, id) {
                found.push(message);
            }
        }
    }
    found.into_iter().map(|message| sighting(connection, name, message)).collect()
}

fn sighting(connection: &Connection, queue: &QueueName, message: Held) -> rusqlite::Result<Sighting> {
    let location = if let Some(worker) = message.worker {
        let worker = connection.query_row("SELECT name FROM workers WHERE id = ?", [worker], |row| row.get(0));
        Location::Claimed { worker: worker.optional()?.unwrap_or_default(), cancelled: message.cancelled.is_some() }
    } else if let Some(due) = message.due {
        Location::Delayed { due: Timestamp::from_millis(due) }
    } else {
        let mut ahead = connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL
                 AND (priority, rank) < (SELECT priority, rank FROM messages WHERE seq = ?2) LIMIT ?3)",
        )?;
        let ahead: usize = ahead.query_row(params![message.queue, message.seq, AHEAD_LIMIT + 1], |row| row.get(0))?;
        Location::Ready { ahead: Some(ahead).filter(|ahead| *ahead <= AHEAD_LIMIT) }
    };
    Ok(Sighting { queue: queue.clone(), name: message.name, bytes: message.body, crashes: message.crashes, location })
}

fn dead(
    connection: &Connection,
    queue: i64,
    name: &QueueName,
    id: &str,
    depth: usize,
) -> rusqlite::Result<Vec<Sighting>> {
    let read = |row: &rusqlite::Row<'_>| {
        let location = Location::Dead { died: Timestamp::from_millis(row.get(3)?), reason: Some(row.get(2)?) };
        Ok(Sighting { queue: name.clone(), name: row.get(0)?, bytes: row.get(1)?, crashes: 0, location })
    };
    let mut named = connection.prepare_cached(
        "SELECT name, body, reason, died FROM dead WHERE queue = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?",
    )?;
    let mut found: Vec<Sighting> =
        named.query_map(params![queue, id, behind(id), PAGE], read)?.collect::<Result<_, _>>()?;
    if depth > 0 {
        let mut all = connection
            .prepare_cached("SELECT name, body, reason, died FROM dead WHERE queue = ? ORDER BY died, seq LIMIT ?")?;
        for letter in all.query_map(params![queue, depth], read)? {
            let letter = letter?;
            if !letter.name.starts_with(id) && has_id(&letter.bytes, id) {
                found.push(letter);
            }
        }
    }
    Ok(found)
}
