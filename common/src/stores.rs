//! The stores that come along.

pub mod memory;
pub mod redis;
mod shared;
#[cfg(feature = "sqlite")]
pub mod sqlite;
