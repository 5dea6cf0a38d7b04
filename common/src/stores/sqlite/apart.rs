//! Values and counts that are written by themselves, for messages of another store. Nobody may beat here, so each call also
//! forgets some of what is over.

use super::SqliteStore;
use super::beat::expire_stored;
use super::groups;
use super::moves::Tx;
use crate::error::StoreError;
use crate::store::{Count, Counted, Kept};

pub(super) async fn keep(store: &SqliteStore, values: &[Kept]) -> Vec<Result<(), StoreError>> {
    let now = store.clock.now();
    let (namespace, kept, bell) = (store.namespace.clone(), values.to_vec(), store.bell.clone());
    let keeping = store.write_rows(values.len(), move |connection| {
        expire_stored(connection, now)?;
        let tx = Tx::new(connection, &namespace);
        for Kept { key, value, ttl } in &kept {
            tx.keep(key, value, now + *ttl)?;
        }
        bell.ask();
        Ok(())
    });
    vec![keeping.await; values.len()]
}

pub(super) async fn count(store: &SqliteStore, counts: &[Count]) -> Vec<Result<Counted, StoreError>> {
    let (namespace, ended, now) = (store.namespace.clone(), counts.to_vec(), store.clock.now());
    let counting = store.write_rows(counts.len(), move |connection| {
        groups::expire(connection, now)?;
        let mut tx = Tx::new(connection, &namespace);
        let counted = ended.iter().map(|count| tx.count(count, now));
        Ok(counted.collect::<rusqlite::Result<Vec<_>>>()?)
    });
    match counting.await {
        Ok(counted) => counted.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); counts.len()],
    }
}
