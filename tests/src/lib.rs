//! The test kit.

pub mod redis;
