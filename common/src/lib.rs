//! Background tasks that lose nothing, on dramatiq's wire format.

pub mod actor;
pub mod backoff;
pub mod clock;
pub mod error;
pub mod message;
pub mod outcome;
pub mod queue_name;
pub mod store;
pub mod stores;
