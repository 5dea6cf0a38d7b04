//! Fetching: what is ready is claimed in one step.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::SqliteStore;
use super::moves::{Tx, name, note};
use super::queries::{is_ready, next_due, worker_number};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::store::{Claim, Delivery, FetchRequest, Fetched, Registration, Undecodable};
use crate::stores::shared::shares::{Room, share};

pub(super) async fn run(
    store: &SqliteStore,
    registration: &Registration,
    requests: &[FetchRequest],
    limit: usize,
) -> Result<Fetched, StoreError> {
    let now = store.clock.now();
    let (namespace, registration, requests) = (store.namespace.clone(), registration.clone(), requests.to_vec());
    let wanted = requests.iter().map(|request| request.count).sum::<usize>().min(limit);
    let start = store.turns.start(requests.len());
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
    let fetching = store.write_unless(wanted, glance, move |connection| {
        let tx = Tx::new(connection, &namespace);
        let worker = worker_number(connection, &namespace, registration.worker.as_str())?;
        let worker = worker.ok_or(StoreError::NotRegistered)?;
        let shared = share(&requests, limit, start, |request, room| claim(&tx, worker, request, room, now))?;
        let next_due = next_due(&tx, &registration.queues)?;
        Ok((shared.next, Fetched { now, deliveries: shared.taken, next_due, more: shared.more }))
    });
    let (next, fetched) = fetching.await?;
    store.turns.set(next);
    Ok(fetched)
}

/// Before which priority a message has to go.
fn bound(request: &FetchRequest) -> i32 {
    request.before.unwrap_or(i32::MAX)
}

/// How many of the first messages of a queue there is room for, of so many.
fn fitting(tx: &Tx<'_>, queue: i64, request: &FetchRequest, room: &mut Room) -> rusqlite::Result<usize> {
    // The length of a body is known without reading it.
    let mut sizes = tx.connection.prepare_cached(
        "SELECT length(body) FROM messages
         WHERE queue = ?1 AND worker IS NULL AND due IS NULL AND priority < ?3
             AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused)
         ORDER BY priority, rank LIMIT ?2",
    )?;
    let mut sizes = sizes.query(params![queue, request.count, bound(request)])?;
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
    let count = if is_alone { 1 } else { fitting(tx, queue, request, room)? };
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut claim = tx.connection.prepare_cached(
        "UPDATE messages SET worker = ?1 WHERE seq IN (
             SELECT seq FROM messages
             WHERE queue = ?2 AND worker IS NULL AND due IS NULL AND priority < ?4
                 AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?2 AND paused)
             ORDER BY priority, rank LIMIT ?3)
         RETURNING priority, rank, id, seq, body, mark, crashes",
    )?;
    let claimed = claim.query_map(params![worker, queue, count, bound(request)], |row| {
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
