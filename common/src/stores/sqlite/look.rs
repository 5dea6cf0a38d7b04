//! One look at a message: what is kept of it, or where it is. One transaction, so it sees one moment.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::inspect::{kept, state};
use super::moves::{Held, Tx, name, select_held};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Look, Looked, Place, State};

pub(super) async fn run(store: &SqliteStore, look: &Look) -> Result<Looked, StoreError> {
    let (namespace, look, now) = (store.namespace.clone(), look.clone(), store.clock.now());
    store
        .read(move |connection| {
            let kept = kept(connection, &namespace, &look.keys, now)?;
            let mut looked = Looked { kept, place: Place::Open };
            if !looked.is_kept() {
                looked.place = match Tx::new(connection, &namespace).find_queue(&look.queue)? {
                    Some(queue) => place(connection, &namespace, &look, queue, now)?,
                    None => Place::Nowhere,
                };
            }
            Ok(looked)
        })
        .await
}

/// Rather alive than dead, and the last one of several.
fn place(connection: &Connection, namespace: &str, look: &Look, queue: i64, now: Timestamp) -> rusqlite::Result<Place> {
    // By the index alone, which holds no bodies.
    let mut alive = connection.prepare_cached(select_held!(
        " FROM messages WHERE seq IN (SELECT seq FROM messages INDEXED BY ids WHERE id = ?) AND queue = ?
         ORDER BY seq DESC LIMIT 1"
    ))?;
    let id = look.id.as_str();
    if let Some(held) = alive.query_row(params![id, queue], Held::read).optional()? {
        let state = state(connection, &held)?;
        let told = match &state {
            State::Claimed { worker, .. } => kept(connection, namespace, &[look.told_by(worker)], now)?.pop().flatten(),
            _ => None,
        };
        return Ok(Place::At { name: name(&held.id, held.seq), state, told });
    }
    let mut dead = connection.prepare_cached(
        "SELECT seq, reason, died FROM dead INDEXED BY dead_ids WHERE id = ? AND queue = ?
         ORDER BY died DESC, seq DESC LIMIT 1",
    )?;
    let letter = dead.query_row(params![id, queue], |row| {
        let state = State::Dead { reason: Some(row.get(1)?), died: Timestamp::from_millis(row.get(2)?) };
        Ok(Place::At { name: name(id, row.get(0)?), state, told: None })
    });
    Ok(letter.optional()?.unwrap_or(Place::Nowhere))
}
