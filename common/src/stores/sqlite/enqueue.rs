//! Enqueueing: in chunks, each stored as a whole or not at all.

use super::SqliteStore;
use super::moves::{Record, Tx};
use crate::error::EnqueueError;
use crate::message::Message;
use crate::stores::shared::batch::{CHUNK, CHUNK_BYTES};

pub(super) async fn run(store: &SqliteStore, messages: &[Message]) -> Result<(), EnqueueError> {
    let now = store.clock.now();
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
        let (namespace, bell) = (store.namespace.clone(), store.bell.clone());
        let chunk = store.write_rows(count, move |connection| {
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
