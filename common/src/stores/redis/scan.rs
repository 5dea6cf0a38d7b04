//! Walks through the keys of the database, for what no key lists.
//!
//! The server passes over all keys there are, a page at a time and whoever's they are, so that nobody waits long for it; the walk
//! as a whole takes as long as the database is large.

use std::ops::ControlFlow;

use super::RedisStore;
use super::connection::Link;
use super::limits::CHUNK;
use super::scripts::read;
use crate::error::StoreError;

impl RedisStore {
    /// Shows the keys of a pattern, one by one, until `see` has seen enough. Some may come twice.
    pub(super) async fn walk(
        &self,
        link: &Link,
        pattern: &str,
        mut see: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(CHUNK);
            let (next, found): (String, Vec<Vec<u8>>) = read(link.call(&scan).await?)?;
            if found.iter().any(|key| see(&String::from_utf8_lossy(key)).is_break()) || next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}
