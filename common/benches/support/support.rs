//! What the benchmarks of all stores share.

pub(crate) mod child;
pub(crate) mod cost;
pub(crate) mod drain;
pub(crate) mod kills;
pub(crate) mod load;
pub(crate) mod pick_up;
pub(crate) mod program;
pub(crate) mod table;

/// Why figures are void.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;
