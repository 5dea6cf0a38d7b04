//! Dead letters whose end is still to be made.

use rusqlite::params;

use super::SqliteStore;
use super::moves::{Tx, name};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Claim, Unended};
use crate::stores::shared::batch::CHUNK_BYTES;

/// As many as were asked for, or about [`CHUNK_BYTES`] of them.
pub(super) async fn run(store: &SqliteStore, queues: &[QueueName], limit: usize) -> Result<Vec<Unended>, StoreError> {
    let (namespace, queues) = (store.namespace.clone(), queues.to_vec());
    store
        .read(move |connection| {
            let tx = Tx::new(connection, &namespace);
            let mut find = connection.prepare_cached(
                "SELECT seq, id, body, reason, died FROM dead INDEXED BY unended WHERE queue = ? AND unended LIMIT ?",
            )?;
            let (mut found, mut bytes) = (Vec::new(), 0);
            for queue in &queues {
                let Some(number) = tx.find_queue(queue)? else { continue };
                let mut rows = find.query(params![number, limit])?;
                while let Some(row) = rows.next()? {
                    let (id, body): (String, Vec<u8>) = (row.get("id")?, row.get("body")?);
                    bytes += body.len();
                    if found.len() == limit || (bytes > CHUNK_BYTES && !found.is_empty()) {
                        return Ok(found);
                    }
                    found.push(Unended {
                        claim: Claim { queue: queue.clone(), id: name(&id, row.get("seq")?).into() },
                        bytes: Some(body),
                        reason: row.get("reason")?,
                        died: Timestamp::from_millis(row.get("died")?),
                    });
                }
            }
            Ok(found)
        })
        .await
}
