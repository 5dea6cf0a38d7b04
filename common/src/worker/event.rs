//! What the consumer is told by slots, and by the runtime that actors run on.

/// What the loop on the I/O thread looks up for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Slots have left completions.
    Ended,
    /// A run waits for others, and what waits behind it goes back.
    Waits,
    /// A run was dropped in the middle.
    Dropped,
    /// The runtime that async actors run on has ended.
    RuntimeGone,
}
