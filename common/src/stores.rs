//! The stores that come along.

pub mod memory;
pub mod redis;
mod shared;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// The namespace of dramatiq's keys, where nobody says otherwise.
pub const NAMESPACE: &str = "dramatiq";
