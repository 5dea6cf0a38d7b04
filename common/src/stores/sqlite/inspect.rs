//! Looking inside; nothing here writes.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::moves::{Held, Space, name, parts};
use crate::clock::Timestamp;
use crate::error::StoreError;
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

    pub(super) async fn find_messages(&self, id: &str) -> Result<Vec<Sighting>, StoreError> {
        let (namespace, id) = (self.namespace.clone(), id.to_owned());
        self.look(move |connection| {
            let mut found = living(connection, &namespace, &id)?;
            found.extend(dead(connection, &namespace, &id)?);
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
        "SELECT queues.name, messages.id, seq FROM messages JOIN queues ON queues.id = queue
         WHERE worker = ? ORDER BY queues.name, messages.id, seq LIMIT ?",
    )?;
    let found = holds.query_map(params![worker, PAGE], |row| {
        let (queue, id): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(Claim { queue: QueueName::canonical(&queue), id: Arc::from(name(&id, row.get(2)?)) })
    });
    found?.collect()
}

/// The ids that are meant: from the first one to what lies behind the last one, and which row, if a whole name was given.
fn meant(id: &str) -> (&str, String, Option<i64>) {
    match parts(id) {
        Some((id, seq)) => (id, id.to_owned(), Some(seq)),
        None => (id, format!("{id}{}", char::MAX), None),
    }
}

fn living(connection: &Connection, namespace: &str, id: &str) -> rusqlite::Result<Vec<Sighting>> {
    let (first, last, seq) = meant(id);
    // By the index alone, which holds no bodies.
    let mut found = connection.prepare_cached(
        "SELECT messages.*, queues.name AS queue_name FROM messages JOIN queues ON queues.id = queue
         WHERE namespace = ?1 AND messages.seq IN (
             SELECT seq FROM messages INDEXED BY ids WHERE id BETWEEN ?2 AND ?3 AND (?4 IS NULL OR seq = ?4))
         ORDER BY messages.id, messages.seq LIMIT ?5",
    )?;
    let found = found.query_map(params![namespace, first, last, seq, PAGE], |row| {
        Ok((QueueName::canonical(&row.get::<_, String>("queue_name")?), Held::read(row)?))
    });
    let found: Vec<(QueueName, Held)> = found?.collect::<Result<_, _>>()?;
    found.into_iter().map(|(queue, message)| sighting(connection, &queue, message)).collect()
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
    Ok(Sighting {
        queue: queue.clone(),
        name: name(&message.id, message.seq),
        bytes: message.body,
        crashes: message.crashes,
        location,
    })
}

fn dead(connection: &Connection, namespace: &str, id: &str) -> rusqlite::Result<Vec<Sighting>> {
    let (first, last, seq) = meant(id);
    let mut found = connection.prepare_cached(
        "SELECT queues.name, dead.id, seq, body, reason, died FROM dead JOIN queues ON queues.id = queue
         WHERE namespace = ?1 AND dead.id BETWEEN ?2 AND ?3 AND (?4 IS NULL OR seq = ?4)
         ORDER BY dead.id, seq LIMIT ?5",
    )?;
    let found = found.query_map(params![namespace, first, last, seq, PAGE], |row| {
        Ok(Sighting {
            queue: QueueName::canonical(&row.get::<_, String>(0)?),
            name: name(&row.get::<_, String>(1)?, row.get(2)?),
            bytes: row.get(3)?,
            crashes: 0,
            location: Location::Dead { reason: Some(row.get(4)?), died: Timestamp::from_millis(row.get(5)?) },
        })
    });
    found?.collect()
}
