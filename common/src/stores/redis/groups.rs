//! Groups, and which of their members have ended.
//!
//! The counter is dramatiq's barrier, so that both languages count one number: a string that holds how many are left. The last member
//! finds 1 there. Beside it lies what only this library knows of: a bit for each member that has counted, and one for each that has
//! failed.

use super::RedisStore;
use crate::error::StoreError;
use crate::store::{GroupInfo, NewGroup};

pub(super) async fn open(store: &RedisStore, group: &NewGroup) -> Result<bool, StoreError> {
    let mut call = store.script(&store.scripts.open_group);
    call.text(&group.name).number(group.members).duration(group.ttl);
    Ok(call.run(&store.link).await?)
}

pub(super) async fn info(store: &RedisStore, name: &str) -> Result<Option<GroupInfo>, StoreError> {
    let mut call = store.script(&store.scripts.group);
    call.text(name);
    let found: Option<(u32, u32)> = call.run(&store.link).await?;
    Ok(found.map(|(left, failed)| GroupInfo { left, failed }))
}
