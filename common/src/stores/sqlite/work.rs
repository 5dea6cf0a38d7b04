//! Enqueueing, fetching and finishing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::moves::{Record, Tx, name, note, parts};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{
    Body, Claim, Completion, Delivery, Disposition, Effect, FetchRequest, Fetched, Finished, Registration, Undecodable,
    Wake,
};
use crate::stores::shared::batch::order;
use crate::stores::shared::shares::{Room, share};

/// How many messages one transaction stores at most, and after how many bytes it ends, so that nobody waits long for it.
const CHUNK: usize = 1_000;
const CHUNK_BYTES: usize = 4 << 20;

/// How far apart those who heard a ring look for what has come, at least, and how long the last one waits at most.
const STAGGER: Duration = Duration::from_micros(200);
const LONGEST_STAGGER: Duration = Duration::from_millis(500);

/// What tokio's timer makes of anything shorter.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// How many of them come so close to each other; those after them come further apart by this factor, and hear of what rings
/// meanwhile by one look.
const FIRST: f64 = 8.0;
const FURTHER: f64 = 4.0;

impl SqliteStore {
    pub(super) async fn enqueue_all(&self, messages: &[Message]) -> Result<(), EnqueueError> {
        let now = self.clock.now();
        let mut stored = 0;
        while stored < messages.len() {
            let (mut records, mut bytes) = (Vec::new(), 0);
            for message in messages[stored..].iter().take(CHUNK) {
                if bytes > CHUNK_BYTES {
                    break;
                }
                let record = Record::new(message, now);
                bytes += record.body.len();
                records.push(record);
            }
            let count = records.len();
            let (namespace, bell) = (self.namespace.clone(), self.bell.clone());
            let chunk = self.write_rows(count, move |connection| {
                let mut tx = Tx::new(connection, &namespace);
                for record in &records {
                    tx.put(record)?;
                }
                // Where something is ready already, the bell has rung for it, and whoever comes for that finds this as well.
                if tx.has_news {
                    bell.ask();
                }
                Ok(())
            });
            chunk.await.map_err(|cause| EnqueueError::NotStored { stored, cause })?;
            stored += count;
        }
        Ok(())
    }

    pub(super) async fn fetch_wanted(
        &self,
        registration: &Registration,
        requests: &[FetchRequest],
        limit: usize,
    ) -> Result<Fetched, StoreError> {
        let now = self.clock.now();
        let (namespace, registration, requests) = (self.namespace.clone(), registration.clone(), requests.to_vec());
        let wanted = requests.iter().map(|request| request.count).sum::<usize>().min(limit);
        let start = self.turns.start(requests.len());
        let glance = {
            let (namespace, registration) = (namespace.clone(), registration.clone());
            // Many wake for one message, and all but one come too late.
            move |connection: &Connection| {
                let tx = Tx::new(connection, &namespace);
                let is_member = worker_number(connection, &namespace, registration.worker.as_str())?.is_some();
                if !is_member || is_ready(&tx, &registration.queues)? {
                    return Ok(None);
                }
                let next_due = next_due(&tx, &registration.queues)?;
                Ok(Some((start, Fetched { now, deliveries: Vec::new(), next_due, more: false })))
            }
        };
        let fetching = self.write_unless(wanted, glance, move |connection| {
            let tx = Tx::new(connection, &namespace);
            let worker = worker_number(connection, &namespace, registration.worker.as_str())?;
            let worker = worker.ok_or(StoreError::NotRegistered)?;
            let shared = share(&requests, limit, start, |request, room| claim(&tx, worker, request, room, now))?;
            let next_due = next_due(&tx, &registration.queues)?;
            Ok((shared.next, Fetched { now, deliveries: shared.taken, next_due, more: shared.more }))
        });
        let (next, fetched) = fetching.await?;
        self.turns.set(next);
        Ok(fetched)
    }

    /// What was recorded before stays so: a claim starts once.
    pub(super) async fn record_starts(
        &self,
        registration: &Registration,
        claims: &[Claim],
    ) -> Result<Vec<bool>, StoreError> {
        let (namespace, registration, claims) = (self.namespace.clone(), registration.clone(), claims.to_vec());
        let now = self.clock.now().as_millis();
        self.write_rows(claims.len(), move |connection| {
            let tx = Tx::new(connection, &namespace);
            let Some(worker) = worker_number(connection, &namespace, registration.worker.as_str())? else {
                return Ok(vec![false; claims.len()]);
            };
            let mut start = connection.prepare_cached(
                "UPDATE messages SET started = ?1, started_at = ?5, mark = max(mark, 2)
                 WHERE seq = ?2 AND id = ?3 AND queue = ?4 AND worker = ?1",
            )?;
            let mut held = Vec::with_capacity(claims.len());
            for Claim { queue, id } in &claims {
                held.push(match (tx.find_queue(queue)?, parts(id)) {
                    (Some(queue), Some((id, seq))) => start.execute(params![worker, seq, id, queue, now])? == 1,
                    _ => false,
                });
            }
            if held.contains(&true) {
                connection.execute("UPDATE workers SET last_start = ? WHERE id = ?", [now, worker])?;
            }
            Ok(held)
        })
        .await
    }

    pub(super) async fn wait_for_any(&self, queues: &[QueueName], due: Option<Timestamp>) -> Wake {
        let _seat = self.seats.take(queues).await;
        let mut news = self.bell.listen();
        loop {
            // Before the look, so that no news fall in between; and each time, as whoever beats meanwhile never waits for long.
            self.bell.repair();
            news.borrow_and_update();
            // What cannot be looked at now is told by the next beat.
            let watch = Stopwatch::start();
            let looked = self.look_for_news(queues, due).await;
            let took = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.look_took.store(took, Ordering::Relaxed);
            if let Ok(Some(wake)) = looked {
                return wake;
            }
            // The sender lives in `self`, so the channel cannot close under us.
            let is_rung = tokio::time::timeout(super::SAFETY_LOOK, news.changed()).await.is_ok();
            if is_rung && let Some(pause) = self.stagger() {
                Clock::system().sleep(pause).await;
            }
        }
    }

    /// How long to wait after a ring. All who wait hear it, and most of them would look at once and in vain; so they come one after
    /// the other, at random, as many as there are: the first one as soon as ever, and all together hardly more often than one. On a
    /// machine that is busy a look takes longer, and they come further apart. `None` where that is shorter than a sleep can be.
    fn stagger(&self) -> Option<Duration> {
        let alike = self.registered.most(|upkeep| upkeep.alike).unwrap_or_default();
        let apart = Duration::from_micros(self.look_took.load(Ordering::Relaxed)).max(STAGGER);
        let turn = fastrand::f64() * f64::from(alike.saturating_sub(1));
        let turn = if turn > FIRST { FIRST + (turn - FIRST) * FURTHER } else { turn };
        let pause = apart.mul_f64(turn).min(LONGEST_STAGGER);
        (pause >= SHORTEST_SLEEP).then_some(pause)
    }

    async fn look_for_news(&self, queues: &[QueueName], due: Option<Timestamp>) -> Result<Option<Wake>, StoreError> {
        let (namespace, queues) = (self.namespace.clone(), queues.to_vec());
        let look = move |connection: &Connection| {
            let tx = Tx::new(connection, &namespace);
            if is_ready(&tx, &queues)? {
                return Ok(Some(Wake::Ready));
            }
            let next = next_due(&tx, &queues)?;
            Ok(next.filter(|next| due.is_none_or(|due| *next < due)).map(|_| Wake::Due))
        };
        self.look(look).await
    }

    pub(super) async fn finish_all(
        &self,
        registration: &Registration,
        completions: &[Completion],
    ) -> Result<Vec<Finished>, StoreError> {
        let now = self.clock.now();
        // Whoever tries to finish a message has not forgotten it.
        self.with_upkeep(&registration.worker, |upkeep| upkeep.orphaned.remember(completions));
        let (namespace, registration, completions, bell) =
            (self.namespace.clone(), registration.clone(), completions.to_vec(), self.bell.clone());
        self.write_rows(completions.len(), move |connection| {
            let mut tx = Tx::new(connection, &namespace);
            let Some(worker) = worker_number(connection, &namespace, registration.worker.as_str())? else {
                return Ok(vec![Finished::ClaimLost; completions.len()]);
            };
            let mut answers = vec![Finished::ClaimLost; completions.len()];
            for place in order(&completions) {
                if finish(&mut tx, worker, &completions[place], now)? {
                    answers[place] = Finished::Done;
                }
            }
            if completions
                .iter()
                .any(|completion| completion.disposition != Disposition::Ack || !completion.effects.is_empty())
            {
                bell.ask();
            }
            Ok(answers)
        })
        .await
    }
}

/// The number of a registered worker.
pub(super) fn worker_number(connection: &Connection, namespace: &str, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT id FROM workers WHERE namespace = ? AND name = ?")?;
    find.query_row(params![namespace, name], |row| row.get(0)).optional()
}

/// How many of the first messages of a queue there is room for, of so many.
fn fitting(tx: &Tx<'_>, queue: i64, count: usize, room: &mut Room) -> rusqlite::Result<usize> {
    // The length of a body is known without reading it.
    let mut sizes = tx.connection.prepare_cached(
        "SELECT length(body) FROM messages
         WHERE queue = ?1 AND worker IS NULL AND due IS NULL
             AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused)
         ORDER BY priority, rank LIMIT ?2",
    )?;
    let mut sizes = sizes.query(params![queue, count])?;
    let mut fit = 0;
    while let Some(row) = sizes.next()?
        && room.take(row.get(0)?)
    {
        fit += 1;
    }
    Ok(fit)
}

fn claim(
    tx: &Tx<'_>,
    worker: i64,
    request: &FetchRequest,
    room: &mut Room,
    now: Timestamp,
) -> rusqlite::Result<Vec<Delivery>> {
    let Some(queue) = tx.find_queue(&request.queue)? else { return Ok(Vec::new()) };
    // The first one of all comes whatever its size.
    let is_alone = request.count == 1 && room.is_untouched();
    let count = if is_alone { 1 } else { fitting(tx, queue, request.count, room)? };
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut claim = tx.connection.prepare_cached(
        "UPDATE messages SET worker = ?1 WHERE seq IN (
             SELECT seq FROM messages
             WHERE queue = ?2 AND worker IS NULL AND due IS NULL
                 AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?2 AND paused)
             ORDER BY priority, rank LIMIT ?3)
         RETURNING priority, rank, id, seq, body, mark, crashes",
    )?;
    let claimed = claim.query_map(params![worker, queue, count], |row| {
        let order: (i32, i64) = (row.get(0)?, row.get(1)?);
        let (id, bytes): (String, Vec<u8>) = (row.get(2)?, row.get(4)?);
        if is_alone {
            room.take(bytes.len());
        }
        let body = Message::decode(&bytes, now).map_err(|error| Undecodable { bytes, error });
        let claim = Claim::of(&request.queue, Arc::from(name(&id, row.get(3)?)), &body);
        let note = note(row.get(5)?, row.get(6)?);
        Ok((order, Delivery { claim, body, crashes: note.crashes(), marked: note.is_marked() }))
    });
    let mut claimed: Vec<_> = claimed?.collect::<Result<_, _>>()?;
    // The order of what an update returns is nobody's promise.
    claimed.sort_by_key(|(order, _)| *order);
    Ok(claimed.into_iter().map(|(_, delivery)| delivery).collect())
}

/// When the next held message is due.
pub(super) fn next_due(tx: &Tx<'_>, queues: &[QueueName]) -> rusqlite::Result<Option<Timestamp>> {
    let mut first = tx
        .connection
        .prepare_cached("SELECT due FROM messages WHERE queue = ? AND due IS NOT NULL ORDER BY due LIMIT 1")?;
    let mut next = None;
    for queue in queues {
        let Some(queue) = tx.find_queue(queue)? else { continue };
        let due: Option<i64> = first.query_row([queue], |row| row.get(0)).optional()?;
        next = next.into_iter().chain(due.map(Timestamp::from_millis)).min();
    }
    Ok(next)
}

/// Whether there is something to fetch.
pub(super) fn is_ready(tx: &Tx<'_>, queues: &[QueueName]) -> rusqlite::Result<bool> {
    let mut any = tx.connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL)
             AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused)",
    )?;
    for queue in queues {
        let Some(queue) = tx.find_queue(queue)? else { continue };
        if any.query_row([queue], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends one claim, if the worker has it.
fn finish(tx: &mut Tx<'_>, worker: i64, completion: &Completion, now: Timestamp) -> rusqlite::Result<bool> {
    let Some(queue) = tx.find_queue(&completion.claim.queue)? else { return Ok(false) };
    if completion.disposition == Disposition::Ack && completion.effects.is_empty() {
        let Some((id, seq)) = parts(&completion.claim.id) else { return Ok(false) };
        let mut gone = tx
            .connection
            .prepare_cached("DELETE FROM messages WHERE seq = ? AND id = ? AND queue = ? AND worker = ?")?;
        return Ok(gone.execute(params![seq, id, queue, worker])? == 1);
    }
    let Some(held) = tx.held(queue, &completion.claim.id)?.filter(|held| held.worker == Some(worker)) else {
        return Ok(false);
    };
    match (&completion.disposition, &held.cancelled) {
        (Disposition::Ack, _) => tx.remove(held.seq)?,
        (Disposition::Release, None) => tx.release(&held)?,
        (Disposition::Release, Some(reason)) => tx.dead_letter_unread(&held, reason, now)?,
        (
            Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message),
            Some(reason),
        )
        | (Disposition::DeadLetter(Body::Message(message), reason), _) => {
            tx.dead_letter(&held, &message.encode(), reason, now)?;
        }
        (Disposition::Requeue(message), None) => {
            tx.remove(held.seq)?;
            tx.add(&Record::moved(message, None, now))?;
        }
        (Disposition::Retry(due, message) | Disposition::Defer(due, message), None) => {
            tx.remove(held.seq)?;
            let row = tx.add(&Record::moved(message, Some(*due), now))?;
            if let Disposition::Defer(..) = completion.disposition {
                tx.note(row, held.note)?;
            }
        }
        (Disposition::DeadLetter(Body::Raw(bytes), reason), _) => tx.dead_letter(&held, bytes, reason, now)?,
    }
    for effect in &completion.effects {
        match effect {
            Effect::Enqueue(message) => tx.put(&Record::new(message, now))?,
            Effect::Store { key, value, ttl } => tx.keep(key, value, now + *ttl)?,
        }
    }
    Ok(true)
}
