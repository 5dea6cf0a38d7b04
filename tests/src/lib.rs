//! The test kit.

pub mod python;
pub mod redis;
