//! What several calls ask.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::moves::Tx;
use crate::clock::Timestamp;
use crate::queue_name::QueueName;

/// The number of a registered worker.
pub(super) fn worker_number(connection: &Connection, namespace: &str, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT id FROM workers WHERE namespace = ? AND name = ?")?;
    find.query_row(params![namespace, name], |row| row.get(0)).optional()
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

/// Those of these queues with dead letters whose end is still to be made.
pub(super) fn with_unended(tx: &Tx<'_>, queues: &[QueueName]) -> rusqlite::Result<Vec<QueueName>> {
    let mut any = tx
        .connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM dead INDEXED BY unended WHERE queue = ? AND unended)")?;
    let mut found = Vec::new();
    for queue in queues {
        let Some(number) = tx.find_queue(queue)? else { continue };
        if any.query_row([number], |row| row.get(0))? {
            found.push(queue.clone());
        }
    }
    Ok(found)
}

/// Whether there is something to fetch.
pub(super) fn is_ready(tx: &Tx<'_>, queues: &[QueueName]) -> rusqlite::Result<bool> {
    is_ready_before(tx, queues, i32::MAX)
}

/// The same of what has a priority that goes before this one.
pub(super) fn is_ready_before(tx: &Tx<'_>, queues: &[QueueName], before: i32) -> rusqlite::Result<bool> {
    let mut any = tx.connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL AND priority < ?2)
             AND NOT EXISTS (SELECT 1 FROM queues WHERE id = ?1 AND paused)",
    )?;
    for queue in queues {
        let Some(queue) = tx.find_queue(queue)? else { continue };
        if any.query_row(params![queue, before], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}
