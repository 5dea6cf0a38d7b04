//! Recording that a marked message is about to run.

use rusqlite::params;

use super::SqliteStore;
use super::moves::{Tx, parts};
use super::queries::worker_number;
use crate::error::StoreError;
use crate::store::{Claim, Registration};

/// What was recorded before stays so: a claim starts once.
pub(super) async fn run(
    store: &SqliteStore,
    registration: &Registration,
    claims: &[Claim],
) -> Result<Vec<bool>, StoreError> {
    let (namespace, registration, claims) = (store.namespace.clone(), registration.clone(), claims.to_vec());
    let now = store.clock.now().as_millis();
    store
        .write_rows(claims.len(), move |connection| {
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
