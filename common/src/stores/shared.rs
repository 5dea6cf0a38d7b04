//! What is the same in every store.

pub(in crate::stores) mod batch;
pub(in crate::stores) mod blame;
pub(in crate::stores) mod limits;
pub(in crate::stores) mod liveness;
pub(in crate::stores) mod orphaned_claims;
pub(in crate::stores) mod registered;
pub(in crate::stores) mod seats;
pub(in crate::stores) mod seldom;
pub(in crate::stores) mod shares;
