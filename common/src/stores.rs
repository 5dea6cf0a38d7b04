//! What keeps messages: one implementation of the contract ([`store`](crate::store)) a file.

pub mod redis;
