//! Limits and barriers, which all processes of a namespace share.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{SAFETY_LOOK, SqliteStore, groups};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Arrival, Boxed, Grant, Limiters, NewGroup, RateLimit, Slot, SlotLimit, Within};
use crate::stores::shared::batch::CHUNK;
use crate::stores::shared::limits::{bucket, full_until, second};

/// How long the last number that was given with a slot is remembered after it. One that is forgotten is followed by the time, which is
/// larger.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// How many hold slots of a limit, and when the first of their leases ends.
fn holders(
    connection: &Connection,
    namespace: &str,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<(u32, Option<i64>)> {
    let mut holders = connection
        .prepare_cached("SELECT count(*), min(until) FROM holders WHERE namespace = ? AND key = ? AND until > ?")?;
    holders.query_row(params![namespace, key, now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The next number of a limit.
fn fence(connection: &Connection, namespace: &str, of: &SlotLimit, now: Timestamp) -> rusqlite::Result<i64> {
    let mut fence = connection.prepare_cached(
        "INSERT INTO fences (namespace, key, last, until) VALUES (?, ?, ?, ?)
         ON CONFLICT (namespace, key) DO UPDATE SET last = max(last + 1, excluded.last), until = excluded.until
         RETURNING last",
    )?;
    let (number, until) = (now.as_millis().saturating_mul(1_000), now + REMEMBERED.max(of.ttl));
    fence.query_row(params![namespace, of.key, number, until.as_millis()], |row| row.get(0))
}

async fn acquire(store: &SqliteStore, slot: &Slot) -> Result<Grant, StoreError> {
    let (namespace, slot, now) = (store.namespace.clone(), slot.clone(), store.clock.now());
    store
        .write(move |connection| {
            let Slot { of, token } = &slot;
            let mut over =
                connection.prepare_cached("DELETE FROM holders WHERE namespace = ? AND key = ? AND until <= ?")?;
            over.execute(params![&*namespace, of.key, now.as_millis()])?;
            let (held, first) = holders(connection, &namespace, &of.key, now)?;
            if held >= of.limit {
                return Ok(Grant::Denied { again: first.map_or(now, Timestamp::from_millis) });
            }
            let until = (now + of.lease()).as_millis();
            let mut take = connection
                .prepare_cached("INSERT OR REPLACE INTO holders (namespace, key, token, until) VALUES (?, ?, ?, ?)")?;
            take.execute(params![&*namespace, of.key, token, until])?;
            Ok(Grant::Granted { fence: fence(connection, &namespace, of, now)?.unsigned_abs() })
        })
        .await
}

async fn renew(store: &SqliteStore, slots: &[Slot]) -> Result<Vec<bool>, StoreError> {
    let (namespace, slots, now) = (store.namespace.clone(), slots.to_vec(), store.clock.now());
    store
        .write_rows(slots.len(), move |connection| {
            let mut renew = connection.prepare_cached(
                "UPDATE holders SET until = ? WHERE namespace = ? AND key = ? AND token = ? AND until > ?",
            )?;
            let mut renew = |Slot { of, token }: &Slot| {
                let until = (now + of.lease()).as_millis();
                Ok(renew.execute(params![until, &*namespace, of.key, token, now.as_millis()])? == 1)
            };
            slots.iter().map(&mut renew).collect()
        })
        .await
}

async fn release(store: &SqliteStore, slots: &[Slot]) -> Result<Vec<bool>, StoreError> {
    let (namespace, slots, now) = (store.namespace.clone(), slots.to_vec(), store.clock.now());
    let bell = store.bell.clone();
    store
        .write_rows(slots.len(), move |connection| {
            let mut release = connection.prepare_cached(
                "DELETE FROM holders WHERE namespace = ? AND key = ? AND token = ? RETURNING until > ?",
            )?;
            let mut release = |Slot { of, token }: &Slot| {
                // Who waits does so because there was none free.
                if holders(connection, &namespace, &of.key, now)?.0 >= of.limit {
                    bell.ask();
                }
                let was_held = release
                    .query_row(params![&*namespace, of.key, token, now.as_millis()], |row| row.get(0))
                    .optional()?;
                Ok(was_held.unwrap_or(false))
            };
            slots.iter().map(&mut release).collect()
        })
        .await
}

async fn is_free(store: &SqliteStore, limit: &SlotLimit) -> Result<bool, StoreError> {
    let (namespace, limit, now) = (store.namespace.clone(), limit.clone(), store.clock.now());
    store.read(move |connection| Ok(holders(connection, &namespace, &limit.key, now)?.0 < limit.limit)).await
}

async fn pass(store: &SqliteStore, rate: &RateLimit) -> Result<Option<Timestamp>, StoreError> {
    let (namespace, rate, now) = (store.namespace.clone(), rate.clone(), store.clock.now());
    store
        .write(move |connection| {
            let mut counted = connection.prepare_cached(
                "SELECT at, count FROM hits WHERE namespace = ? AND key = ? AND at BETWEEN ? AND ? ORDER BY at",
            )?;
            let mut counted = |first: i64, last: i64| {
                let rows = counted
                    .query_map(params![&*namespace, rate.key, first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect::<rusqlite::Result<Vec<(i64, u32)>>>()
            };
            // What is counted by buckets and what is by seconds has the same name only where somebody mixes them.
            let (at, ttl, until) = match rate.within {
                Within::Bucket(length) => {
                    let (start, end) = bucket(now, length);
                    let count = counted(start, start)?.first().map_or(0, |(_, count)| *count);
                    (start, length, (count >= rate.limit).then_some(end))
                }
                Within::Seconds(seconds) => {
                    let last = second(now);
                    let counts = counted(last + 1 - i64::from(seconds), last)?;
                    (last, Duration::from_secs(seconds.into()), full_until(&rate, seconds, &counts))
                }
            };
            if until.is_none() {
                let mut count = connection.prepare_cached(
                    "INSERT INTO hits (namespace, key, at, count, until) VALUES (?, ?, ?, 1, ?)
                     ON CONFLICT (namespace, key, at) DO UPDATE SET count = count + 1, until = excluded.until",
                )?;
                count.execute(params![&*namespace, rate.key, at, (now + ttl).as_millis()])?;
            }
            Ok(until)
        })
        .await
}

async fn arrive(store: &SqliteStore, key: &str, ttl: Duration) -> Result<Arrival, StoreError> {
    let (namespace, key, now) = (store.namespace.clone(), key.to_owned(), store.clock.now());
    let bell = store.bell.clone();
    store
        .write(move |connection| {
            let mut arrive = connection.prepare_cached(
                "UPDATE groups SET left = max(left - 1, 0), until = max(until, ?)
                 WHERE namespace = ? AND name = ? AND until > ? RETURNING left",
            )?;
            let left = groups::left(connection, &namespace, &key, now)?;
            let until = (now + ttl).as_millis();
            arrive.query_row(params![until, &*namespace, key, now.as_millis()], |_| Ok(())).optional()?;
            Ok(match left {
                None => Arrival::Expired,
                Some(0) => Arrival::Open,
                Some(1) => {
                    bell.ask();
                    Arrival::Last
                }
                Some(left) => Arrival::Waiting(left - 1),
            })
        })
        .await
}

async fn left(store: &SqliteStore, key: &str) -> Result<Option<u32>, StoreError> {
    Ok(groups::info(store, key).await?.map(|group| group.left))
}

/// Looks with each ring, and from time to time, until what was looked for is there or cannot be looked for.
async fn look<F: Future<Output = Result<bool, StoreError>>>(store: &SqliteStore, found: impl Fn() -> F) {
    let mut news = store.bell.listen();
    loop {
        store.bell.repair();
        news.borrow_and_update();
        if !matches!(found().await, Ok(false)) {
            return;
        }
        let _ = tokio::time::timeout(SAFETY_LOOK, news.changed()).await;
    }
}

/// Forgets what is over, some at a time.
pub(super) fn expire(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let mut most = 0;
    for delete in [
        "DELETE FROM holders WHERE (namespace, key, token) IN (
             SELECT namespace, key, token FROM holders WHERE until <= ? LIMIT ?)",
        "DELETE FROM hits WHERE (namespace, key, at) IN (SELECT namespace, key, at FROM hits WHERE until <= ? LIMIT ?)",
        "DELETE FROM fences WHERE (namespace, key) IN (SELECT namespace, key FROM fences WHERE until <= ? LIMIT ?)",
    ] {
        most = most.max(connection.execute(delete, params![now.as_millis(), CHUNK])?);
    }
    Ok(most)
}

impl Limiters for SqliteStore {
    fn acquire<'a>(&'a self, slot: &'a Slot) -> Boxed<'a, Result<Grant, StoreError>> {
        Box::pin(acquire(self, slot))
    }

    fn renew<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(renew(self, slots))
    }

    fn release<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(release(self, slots))
    }

    fn wait_free<'a>(&'a self, limit: &'a SlotLimit) -> Boxed<'a, ()> {
        Box::pin(look(self, move || is_free(self, limit)))
    }

    fn pass<'a>(&'a self, rate: &'a RateLimit) -> Boxed<'a, Result<Option<Timestamp>, StoreError>> {
        Box::pin(pass(self, rate))
    }

    fn create_barrier<'a>(&'a self, key: &'a str, parties: u32, ttl: Duration) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(async move { groups::open(self, &NewGroup { name: key.to_owned(), members: parties, ttl }).await })
    }

    fn arrive<'a>(&'a self, key: &'a str, ttl: Duration) -> Boxed<'a, Result<Arrival, StoreError>> {
        Box::pin(arrive(self, key, ttl))
    }

    fn barrier<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<u32>, StoreError>> {
        Box::pin(left(self, key))
    }

    fn wait_open<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(look(self, move || async move { Ok(left(self, key).await? == Some(0)) }))
    }
}
