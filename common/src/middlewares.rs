//! The middleware that comes along.

pub mod retries;
