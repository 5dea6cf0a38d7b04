//! Groups, and which of their members have ended.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::moves::Tx;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Count, Counted, GroupInfo, NewGroup};
use crate::stores::shared::batch::CHUNK;

/// In `members.state`.
const COUNTED: i64 = 1;
const FAILED: i64 = 2;
const LAST: i64 = 4;

/// In `members.number`, of all that have none.
const NO_NUMBER: i64 = -1;

pub(super) async fn open(store: &SqliteStore, group: &NewGroup) -> Result<bool, StoreError> {
    let (namespace, group, now) = (store.namespace.clone(), group.clone(), store.clock.now());
    store
        .write_rows(1, move |connection| {
            let NewGroup { name, members, ttl } = &group;
            let over = params![&*namespace, name, now.as_millis()];
            connection.execute(
                "DELETE FROM members WHERE of IN (SELECT id FROM groups WHERE namespace = ? AND name = ? AND until <= ?)",
                over,
            )?;
            connection.execute("DELETE FROM groups WHERE namespace = ? AND name = ? AND until <= ?", over)?;
            let opened = connection.execute(
                "INSERT INTO groups (namespace, name, left, until) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                params![&*namespace, name, members, (now + *ttl).as_millis()],
            )?;
            Ok(opened == 1)
        })
        .await
}

pub(super) async fn info(store: &SqliteStore, name: &str) -> Result<Option<GroupInfo>, StoreError> {
    let (namespace, name, now) = (store.namespace.clone(), name.to_owned(), store.clock.now());
    store
        .read(move |connection| {
            let mut group = connection
                .prepare_cached("SELECT left, failed FROM groups WHERE namespace = ? AND name = ? AND until > ?")?;
            let info = group.query_row(params![&*namespace, name, now.as_millis()], |row| {
                Ok(GroupInfo { left: row.get(0)?, failed: row.get(1)? })
            });
            Ok(info.optional()?)
        })
        .await
}

/// How many of a group are left.
pub(super) fn left(
    connection: &Connection,
    namespace: &str,
    name: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<u32>> {
    let mut left =
        connection.prepare_cached("SELECT left FROM groups WHERE namespace = ? AND name = ? AND until > ?")?;
    left.query_row(params![namespace, name, now.as_millis()], |row| row.get(0)).optional()
}

impl Tx<'_> {
    /// Counts a member.
    pub(super) fn count(&mut self, count: &Count, now: Timestamp) -> rusqlite::Result<Counted> {
        let Count { group, member, end, ttl, .. } = count;
        let mut known = self
            .connection
            .prepare_cached("SELECT id, left FROM groups WHERE namespace = ? AND name = ? AND until > ?")?;
        let found = known.query_row(params![self.namespace, group, now.as_millis()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        let Some((id, left)) = found.optional()? else { return Ok(Counted::Unknown) };
        let number = member.map_or(NO_NUMBER, i64::from);
        let mut state = self.connection.prepare_cached("SELECT state FROM members WHERE of = ? AND number = ?")?;
        let before: i64 = state.query_row(params![id, number], |row| row.get(0)).optional()?.unwrap_or(0);
        let has_failed = if end.has_failed() { FAILED } else { 0 };
        let counts = end.counts() && before & COUNTED == 0;
        let is_last = counts && left == 1;
        let is_known = before & (COUNTED | LAST) | if is_last { LAST } else { 0 };
        let state = match member {
            Some(_) => is_known | has_failed | if counts { COUNTED } else { 0 },
            None => is_known,
        };
        if state != before {
            let mut note = self.connection.prepare_cached(
                "INSERT INTO members (of, number, state) VALUES (?, ?, ?)
                 ON CONFLICT (of, number) DO UPDATE SET state = excluded.state",
            )?;
            note.execute(params![id, number, state])?;
        }
        let counted = i64::from(counts && left > 0);
        let failed = (has_failed - (before & FAILED)) / FAILED;
        let mut update = self.connection.prepare_cached(
            "UPDATE groups SET left = left - ?, failed = failed + ?, until = max(until, ?) WHERE id = ?",
        )?;
        update.execute(params![counted, failed, (now + *ttl).as_millis(), id])?;
        Ok(if is_last {
            Counted::Last
        } else if left == 0 && before & LAST != 0 {
            Counted::LastAgain
        } else {
            Counted::Known
        })
    }
}

/// Forgets groups whose time is over, some at a time: first what is known of their members.
pub(super) fn expire(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    let now = now.as_millis();
    let members = connection.execute(
        "DELETE FROM members WHERE (of, number) IN (
             SELECT of, number FROM members JOIN groups ON groups.id = of WHERE until <= ? LIMIT ?)",
        params![now, CHUNK],
    )?;
    if members == CHUNK {
        return Ok(members);
    }
    connection
        .execute("DELETE FROM groups WHERE id IN (SELECT id FROM groups WHERE until <= ? LIMIT ?)", params![now, CHUNK])
}
