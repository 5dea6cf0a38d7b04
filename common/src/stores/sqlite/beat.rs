//! The beat: one transaction that does a worker's upkeep, and more only where there is more to do.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::error::TxError;
use super::moves::{Held, Tx, name, parts, select_held};
use super::queries::{is_ready, next_due, with_unended, worker_number};
use super::{SqliteStore, finish, groups, limiters};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{BEAT_INTERVAL, Beat, Claim, DEAD_LETTER_TTL, Registration};
use crate::stores::shared::batch::{CHUNK, MAX_ROUNDS};
use crate::stores::shared::blame::Run;
use crate::stores::shared::liveness::{Liveness, Peer};

/// How many silent peers one look shows, at most: a whole host's that died at once.
const PAGE: usize = 10_000;

/// What the beats of one worker have seen.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    liveness: Liveness,
    /// How many workers there are with the same queues, this one included.
    pub(super) alike: u32,
}

/// What one transaction of a beat found.
struct Seen {
    moved: usize,
    has_more: bool,
    alike: u32,
    silent: Vec<Peer>,
    claims: Vec<Claim>,
    /// Those of them that somebody has cancelled.
    cancelled: Vec<Claim>,
}

/// What is left to tell once everything was moved.
struct Left {
    next_due: Option<Timestamp>,
    ready: bool,
    unended: Vec<QueueName>,
}

pub(super) async fn deregister(store: &SqliteStore, registration: &Registration) -> Result<(), StoreError> {
    store.registered.remove(&registration.worker).await?;
    let (namespace, worker) = (store.namespace.clone(), registration.worker.clone());
    store
        .write(move |connection| {
            connection.execute(
                "DELETE FROM workers WHERE namespace = ? AND name = ?
                 AND NOT EXISTS (SELECT 1 FROM messages WHERE worker = workers.id)",
                params![&*namespace, worker.as_str()],
            )?;
            Ok(())
        })
        .await
}

/// Not by itself: beats of one worker come one after the other (`Registered::beat`).
pub(super) async fn run(
    store: &SqliteStore,
    registration: &Registration,
    held: &[Claim],
    waiting: &[Claim],
) -> Result<Beat, StoreError> {
    let (now, started) = (store.clock.now(), store.clock.uptime());
    let waiting = rows(waiting);
    let with_expiry = store.registered.is_expiring(&registration.worker, started);
    let seen = store.upkeep(registration, waiting.clone(), with_expiry).await?;
    let took = store.clock.uptime().saturating_sub(started);
    let mut moved = seen.moved;
    let mut has_more = seen.has_more;
    for _ in 1..MAX_ROUNDS {
        if !has_more {
            break;
        }
        let again = store.upkeep(registration, waiting.clone(), with_expiry).await?;
        moved += again.moved;
        has_more = again.has_more;
    }
    let uptime = store.clock.uptime();
    let compared = store.registered.compare(&registration.worker, held, &seen.claims, &[], uptime);
    if !compared.forgotten.is_empty() {
        finish::run(store, registration, &compared.forgotten).await?;
    }
    // While beats had to wait, silence was no sign of death.
    let watched = uptime.saturating_sub(store.writing.waited());
    let dead = store.with_upkeep(&registration.worker, |upkeep| {
        upkeep.alike = seen.alike;
        upkeep.liveness.see(watched, took, &seen.silent, seen.silent.len() < PAGE)
    });
    for peer in dead {
        moved += store.recover(&peer, now).await?;
    }
    let Left { next_due, ready, unended } = store.what_is_left(registration).await?;
    Ok(Beat { now, lost: compared.lost, cancelled: seen.cancelled, next_due, moved, ready, unended })
}

impl SqliteStore {
    /// Shows that the worker lives, and moves what is due.
    async fn upkeep(
        &self,
        registration: &Registration,
        waiting: Option<String>,
        with_expiry: bool,
    ) -> Result<Seen, StoreError> {
        // Each is a sign of life of its own: a beat may take longer than others wait for one.
        let now = self.clock.now();
        let (namespace, registration, bell) = (self.namespace.clone(), registration.clone(), self.bell.clone());
        self.write_first(move |connection| {
            show_life(connection, &namespace, &registration, waiting.as_deref(), now)?;
            let mut tx = Tx::new(connection, &namespace);
            let (mut moved, mut has_more) = (0, false);
            for queue in &registration.queues {
                // One that has a worker is listed, whether anything was ever in it or not.
                tx.queue(queue)?;
                let promoted = promote(&mut tx, queue, now)?;
                moved += promoted;
                has_more |= promoted == CHUNK;
                if with_expiry {
                    has_more |= expire_letters(&tx, queue, now)? == CHUNK;
                }
            }
            if with_expiry {
                has_more |= expire_stored(connection, now)? == CHUNK;
                has_more |= groups::expire(connection, now)? == CHUNK;
                has_more |= limiters::expire(connection, now)? == CHUNK;
            }
            if moved > 0 {
                bell.ask();
            }
            let silent = silent(connection, &namespace, registration.worker.as_str(), now)?;
            let claims = claims(connection, &namespace, registration.worker.as_str())?;
            let cancelled = claims.iter().filter(|(_, is_cancelled)| *is_cancelled).map(|(claim, _)| claim.clone());
            let cancelled = cancelled.collect();
            let claims = claims.into_iter().map(|(claim, _)| claim).collect();
            let alike = alike(connection, &namespace, registration.worker.as_str())?;
            Ok(Seen { moved, has_more, alike, silent, claims, cancelled })
        })
        .await
    }

    async fn what_is_left(&self, registration: &Registration) -> Result<Left, StoreError> {
        let (namespace, queues) = (self.namespace.clone(), registration.queues.clone());
        self.read(move |connection| {
            let tx = Tx::new(connection, &namespace);
            Ok(Left {
                next_due: next_due(&tx, &queues)?,
                ready: is_ready(&tx, &queues)?,
                unended: with_unended(&tx, &queues)?,
            })
        })
        .await
    }

    /// Requeues what a dead worker held, if it has given no sign of life since it was looked at, and takes it off.
    async fn recover(&self, dead: &Peer, now: Timestamp) -> Result<usize, StoreError> {
        let mut moved = 0;
        for _ in 0..MAX_ROUNDS {
            let (namespace, dead, bell) = (self.namespace.clone(), dead.clone(), self.bell.clone());
            let (some, has_more) = self
                .write_first(move |connection| {
                    bell.ask();
                    recover(connection, &namespace, &dead, now)
                })
                .await?;
            moved += some;
            if !has_more {
                break;
            }
        }
        Ok(moved)
    }
}

/// The rows of what has not started, as JSON.
fn rows(waiting: &[Claim]) -> Option<String> {
    let rows: Vec<String> =
        waiting.iter().filter_map(|claim| parts(&claim.id)).map(|(_, seq)| seq.to_string()).collect();
    (!rows.is_empty()).then(|| format!("[{}]", rows.join(",")))
}

fn show_life(
    connection: &Connection,
    namespace: &str,
    registration: &Registration,
    waiting: Option<&str>,
    now: Timestamp,
) -> Result<(), TxError> {
    let queues: Vec<&str> = registration.queues.iter().map(QueueName::as_str).collect();
    let queues = serde_json::to_string(&queues).map_err(|error| StoreError::Refused(error.to_string()))?;
    let mut show_life = connection.prepare_cached(
        "INSERT INTO workers (namespace, name, beat, queues, waiting) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (namespace, name) DO UPDATE SET beat = excluded.beat, waiting = excluded.waiting",
    )?;
    show_life.execute(params![namespace, registration.worker.as_str(), now.as_millis(), queues, waiting])?;
    Ok(())
}

fn promote(tx: &mut Tx<'_>, queue: &QueueName, now: Timestamp) -> rusqlite::Result<usize> {
    let Some(queue) = tx.find_queue(queue)? else { return Ok(0) };
    let due: Vec<(i64, i32)> = {
        let mut due = tx.connection.prepare_cached(
            "SELECT seq, priority FROM messages WHERE queue = ? AND due <= ? ORDER BY due, seq LIMIT ?",
        )?;
        let found = due.query_map(params![queue, now.as_millis(), CHUNK], |row| Ok((row.get(0)?, row.get(1)?)));
        found?.collect::<Result<_, _>>()?
    };
    for (seq, priority) in &due {
        tx.promote(*seq, queue, *priority)?;
    }
    Ok(due.len())
}

fn expire_letters(tx: &Tx<'_>, queue: &QueueName, now: Timestamp) -> rusqlite::Result<usize> {
    let Some(queue) = tx.find_queue(queue)? else { return Ok(0) };
    let kept = i64::try_from(DEAD_LETTER_TTL.as_millis()).unwrap_or(i64::MAX);
    tx.connection.execute(
        "DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE queue = ? AND died <= ? LIMIT ?)",
        params![queue, now.as_millis().saturating_sub(kept), CHUNK],
    )
}

pub(super) fn expire_stored(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM stored WHERE (namespace, key) IN (SELECT namespace, key FROM stored WHERE until <= ? LIMIT ?)",
        params![now.as_millis(), CHUNK],
    )
}

/// The others that have not beaten for an interval, or beat ahead of time.
fn silent(connection: &Connection, namespace: &str, but: &str, now: Timestamp) -> rusqlite::Result<Vec<Peer>> {
    let interval = i64::try_from(BEAT_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    let mut silent = connection.prepare_cached(
        "SELECT name, beat FROM workers WHERE namespace = ? AND name <> ? AND abs(? - beat) > ?
         ORDER BY id LIMIT ?",
    )?;
    let found = silent.query_map(params![namespace, but, now.as_millis(), interval, PAGE], |row| {
        Ok(Peer { id: row.get(0)?, score: row.get::<_, i64>(1)?.to_string(), queues: Some(Vec::new()) })
    });
    found?.collect()
}

/// How many workers wait for the same messages, more or less.
fn alike(connection: &Connection, namespace: &str, worker: &str) -> rusqlite::Result<u32> {
    let mut alike = connection.prepare_cached(
        "SELECT count(*) FROM workers WHERE namespace = ?1
             AND queues = (SELECT queues FROM workers WHERE namespace = ?1 AND name = ?2)",
    )?;
    alike.query_row(params![namespace, worker], |row| row.get(0))
}

/// What a worker has claimed, and whether somebody has cancelled it.
fn claims(connection: &Connection, namespace: &str, worker: &str) -> rusqlite::Result<Vec<(Claim, bool)>> {
    let mut claims = connection.prepare_cached(
        "SELECT queues.name, messages.id, seq, cancelled IS NOT NULL FROM messages JOIN queues ON queues.id = queue
         WHERE worker = (SELECT id FROM workers WHERE namespace = ? AND name = ?)",
    )?;
    let found = claims.query_map(params![namespace, worker], |row| {
        let (queue, id): (String, String) = (row.get(0)?, row.get(1)?);
        let claim = Claim { queue: QueueName::canonical(&queue), id: Arc::from(name(&id, row.get(2)?)) };
        Ok((claim, row.get(3)?))
    });
    found?.collect()
}

/// Some of what a dead worker held, and whether there is more; once nothing is left, the worker is taken off.
fn recover(connection: &Connection, namespace: &str, dead: &Peer, now: Timestamp) -> Result<(usize, bool), TxError> {
    let Some(worker) = worker_number(connection, namespace, &dead.id)? else { return Ok((0, false)) };
    let (beat, waiting, last_start): (i64, Option<String>, Option<i64>) =
        connection.query_row("SELECT beat, waiting, last_start FROM workers WHERE id = ?", [worker], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if beat.to_string() != dead.score {
        return Ok((0, false));
    }
    // The last one first, as each goes to the head.
    let held: Vec<Held> = {
        let mut held = connection.prepare_cached(select_held!(
            " FROM messages WHERE worker = ? ORDER BY queue, priority, seq DESC LIMIT ?"
        ))?;
        held.query_map(params![worker, CHUNK], Held::read)?.collect::<Result<_, _>>()?
    };
    let waiting: HashSet<i64> = waiting.and_then(|rows| serde_json::from_str(&rows).ok()).unwrap_or_default();
    let tx = Tx::new(connection, namespace);
    let mut moved = 0;
    for message in &held {
        if let Some(reason) = &message.cancelled {
            tx.dead_letter_unread(message, reason, now)?;
            continue;
        }
        let started = message.started_at.filter(|_| message.started == Some(worker)).map(Timestamp::from_millis);
        let run = Run::of(started, last_start.map(Timestamp::from_millis), waiting.contains(&message.seq));
        let note = message.note.after_death(run);
        if note != message.note {
            tx.note(message.seq, note)?;
        }
        tx.release(message)?;
        moved += 1;
    }
    let has_more = held.len() == CHUNK;
    if !has_more {
        connection.execute("DELETE FROM workers WHERE id = ?", [worker])?;
    }
    Ok((moved, has_more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Store as _;
    use crate::stores::sqlite::Synchronous;

    #[tokio::test]
    async fn of_a_worker_that_has_left_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.db");
        let store = SqliteStore::open(&path, Synchronous::Normal, "lab", Clock::system()).unwrap();
        let registration = store.register(&[QueueName::default()]).await.unwrap();
        let (beat, left) = tokio::join!(biased; store.beat(&registration, &[], &[]), store.deregister(&registration));
        beat.unwrap();
        left.unwrap();
        // The end of a run may come late.
        store.finish(&registration, &[]).await.unwrap();
        assert_eq!(store.registered.count(), 0);
    }
}
