//! Background tasks that lose nothing, on dramatiq's wire format.

pub mod actor;
pub mod backoff;
pub mod broker;
pub mod call;
pub mod clock;
#[cfg(feature = "conformance")]
#[expect(clippy::missing_panics_doc, reason = "a broken promise panics, as the module says")]
pub mod conformance;
pub mod error;
#[cfg(feature = "lab")]
pub mod lab;
pub mod message;
pub mod middleware;
pub mod middlewares;
pub mod outcome;
pub mod queue_name;
pub mod store;
pub mod stores;
pub mod worker;

pub use common_macros::actor;
