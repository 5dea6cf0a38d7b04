//! Calls that follow from each other.
//!
//! A [`Pipeline`] is one step after the other, each with the result of the one before it. What comes next travels inside of the
//! message, in dramatiq's form, and is sent in the same step as the message ends: nothing between two commands can break the chain,
//! and its steps may run in either language.

mod pipeline;
mod sent_pipeline;

pub use self::pipeline::Pipeline;
pub use self::sent_pipeline::SentPipeline;
