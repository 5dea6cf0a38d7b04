//! The middleware that comes along.

pub mod callbacks;
pub mod results;
pub mod retries;
