//! What happens of itself.

/// What happens although no call asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// A message came due.
    Promoted,
    /// A message came back from a dead worker.
    Recovered,
    /// One of these may have been running, and is marked.
    Marked,
    /// One of these had waited, and is spared once.
    Spared,
    /// One of these had started, as was recorded: that death counts.
    Counted,
    /// One of these had started long before the last one that was recorded, and is passed over once.
    PassedOver,
    /// One of which something is known was put off unrun, and that stays known.
    Kept,
    /// A message came back that its worker did not know of.
    Forgotten,
    /// A cancelled message was to run again, and died instead.
    Stopped,
    /// A worker has made the end of what died in the store.
    Ended,
    /// The last member of a group has ended.
    Completed,
    /// A dead letter was kept long enough.
    Expired,
    /// A worker lost what it held.
    Lost,
    /// A worker was taken for dead and fetched nothing.
    Strange,
    /// A run ended that had lost its claim, while its worker held the same message for another run.
    HeldTwice,
    /// A message joined the others because nobody kept up the order of its queue.
    Unordered,
    /// Python took over what others had claimed.
    TakenOver,
    /// A message came back from a dead worker of Python's.
    RecoveredFromPython,
    /// The last worker of a queue left, and what only Rust can order went back to the lists.
    HandedOver,
}

impl Move {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Promoted,
        Self::Recovered,
        Self::Marked,
        Self::Spared,
        Self::Counted,
        Self::PassedOver,
        Self::Kept,
        Self::Forgotten,
        Self::Stopped,
        Self::Ended,
        Self::Completed,
        Self::Expired,
        Self::Lost,
        Self::Strange,
        Self::HeldTwice,
        Self::Unordered,
        Self::TakenOver,
        Self::RecoveredFromPython,
        Self::HandedOver,
    ];
}
