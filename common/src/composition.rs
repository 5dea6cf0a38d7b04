//! Calls that follow from each other, or run side by side.
//!
//! A [`Pipeline`] is one step after the other, each with the result of the one before it. What comes next travels inside of the
//! message, in dramatiq's form, and is sent in the same step as the message ends: nothing between two commands can break the chain,
//! and its steps may run in either language.
//!
//! A [`Group`] is many at once, and what is sent once all of them are done. Each counts in the same step as it ends, in either language,
//! and with the last one what comes after the group is sent.

mod group;
mod in_order;
mod pipeline;
mod sent_group;
mod sent_pipeline;

#[doc(hidden)]
pub use self::group::batch;
pub use self::group::{Group, Member, group};
pub use self::in_order::{BlockingResults, Results};
pub use self::pipeline::Pipeline;
pub use self::sent_group::{Progress, SentGroup};
pub use self::sent_pipeline::SentPipeline;
