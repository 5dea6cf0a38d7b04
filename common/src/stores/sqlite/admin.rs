//! What people move by hand; each call is one transaction.

use rusqlite::params;

use super::SqliteStore;
use super::moves::{Record, Tx, parts};
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{Cancelled, PURGE_LIMIT};

pub(super) async fn cancel(
    store: &SqliteStore,
    queue: &QueueName,
    name: &str,
    reason: &str,
) -> Result<Option<Cancelled>, StoreError> {
    let now = store.clock.now();
    let (namespace, queue) = (store.namespace.clone(), queue.clone());
    let (name, reason) = (name.to_owned(), reason.to_owned());
    store
        .write(move |connection| {
            let tx = Tx::new(connection, &namespace);
            let Some(queue) = tx.find_queue(&queue)? else { return Ok(None) };
            let Some(message) = tx.held(queue, &name)? else { return Ok(None) };
            if let Some(worker) = message.worker {
                connection.execute("UPDATE messages SET cancelled = ? WHERE seq = ?", params![reason, message.seq])?;
                let worker =
                    connection.query_row("SELECT name FROM workers WHERE id = ?", [worker], |row| row.get(0))?;
                return Ok(Some(Cancelled::Claimed { worker }));
            }
            tx.dead_letter_unread(&message, &reason, now)?;
            Ok(Some(if message.due.is_some() { Cancelled::Delayed } else { Cancelled::Ready }))
        })
        .await
}

pub(super) async fn pause(store: &SqliteStore, queue: &QueueName, paused: bool) -> Result<bool, StoreError> {
    let (namespace, queue, bell) = (store.namespace.clone(), queue.clone(), store.bell.clone());
    store
        .write(move |connection| {
            let queue = Tx::new(connection, &namespace).queue(&queue)?;
            bell.ask();
            let changed = connection
                .execute("UPDATE queues SET paused = ?1 WHERE id = ?2 AND paused <> ?1", params![paused, queue])?;
            Ok(changed == 1)
        })
        .await
}

pub(super) async fn purge(store: &SqliteStore, queue: &QueueName) -> Result<usize, StoreError> {
    let (namespace, queue) = (store.namespace.clone(), queue.clone());
    store
        .write(move |connection| {
            let Some(queue) = Tx::new(connection, &namespace).find_queue(&queue)? else { return Ok(0) };
            Ok(connection.execute(
                "DELETE FROM messages WHERE seq IN (
                 SELECT seq FROM (SELECT seq FROM messages WHERE queue = ?1 AND worker IS NULL AND due IS NULL LIMIT ?2)
                 UNION ALL
                 SELECT seq FROM (SELECT seq FROM messages WHERE queue = ?1 AND due IS NOT NULL LIMIT ?2)
                 LIMIT ?2)",
                params![queue, PURGE_LIMIT],
            )?)
        })
        .await
}

pub(super) async fn requeue_dead(
    store: &SqliteStore,
    queue: &QueueName,
    letters: &[(String, Message)],
) -> Result<Vec<bool>, StoreError> {
    let now = store.clock.now();
    let letters: Vec<_> =
        letters.iter().map(|(name, message)| (name.clone(), Record::moved(message, None, now))).collect();
    let (namespace, queue, bell) = (store.namespace.clone(), queue.clone(), store.bell.clone());
    store
        .write(move |connection| {
            let mut tx = Tx::new(connection, &namespace);
            let number = tx.queue(&queue)?;
            let mut requeued = Vec::with_capacity(letters.len());
            for (name, record) in &letters {
                let was_there = remove_letter(&tx, number, name)?;
                if was_there {
                    tx.add(record)?;
                }
                requeued.push(was_there);
            }
            bell.ask();
            Ok(requeued)
        })
        .await
}

pub(super) async fn delete(store: &SqliteStore, queue: &QueueName, names: &[String]) -> Result<Vec<bool>, StoreError> {
    let (namespace, queue, names) = (store.namespace.clone(), queue.clone(), names.to_vec());
    store
        .write(move |connection| {
            let tx = Tx::new(connection, &namespace);
            let Some(queue) = tx.find_queue(&queue)? else { return Ok(vec![false; names.len()]) };
            let deleted = names.iter().map(|name| remove_letter(&tx, queue, name));
            Ok(deleted.collect::<rusqlite::Result<_>>()?)
        })
        .await
}

fn remove_letter(tx: &Tx<'_>, queue: i64, name: &str) -> rusqlite::Result<bool> {
    let Some((id, seq)) = parts(name) else { return Ok(false) };
    let mut remove = tx.connection.prepare_cached("DELETE FROM dead WHERE seq = ? AND id = ? AND queue = ?")?;
    Ok(remove.execute(params![seq, id, queue])? == 1)
}
