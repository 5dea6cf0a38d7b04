//! Groups of messages whose ends are counted.

use std::time::Duration;

/// How long a group is kept from the last end of a member on, at least.
pub const GROUP_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A group before the first of its members is enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name. On Redis it is the key of its counter, as it is: without the namespace, as dramatiq has it.
    pub name: String,
    /// How many members have to count until it is complete; at least one.
    pub members: u32,
    /// How long it is kept, at least.
    pub ttl: Duration,
}

/// How far a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// How many members have to count until it is complete.
    pub left: u32,
    /// How many members have failed for good so far, those among them that count for all that.
    pub failed: u32,
}
