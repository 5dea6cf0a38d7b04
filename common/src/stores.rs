//! The stores that come along.

pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "some of it is for Redis alone"))]
mod shared;
pub mod split;
#[cfg(feature = "sqlite")]
pub mod sqlite;
