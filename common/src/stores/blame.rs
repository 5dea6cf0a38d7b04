//! Whom a death is blamed on: what is noted of a message whose workers die.
//!
//! Nobody can ask a dead worker what killed it. Whatever was in its hands may have, and most of it did not; so a store that
//! counts a death for all of that ends innocent messages, and a worker that keeps them apart for fear of that starves everything.
//! Here a death is counted only for what was *running*, and that only where somebody asked for it to be known:
//!
//! ```text
//!            its worker died          its worker died          the start was recorded, and its worker died
//!  nothing ─────────────────► spared ─────────────────► marked, 0 ─────────────────────────────────────────► marked, n + 1
//!     │    and it had waited                               ▲  └── without a recorded start: as it was
//!     └──────────────────────────────────────────────────── ┘
//!           and it may have been running
//! ```
//!
//! *Most messages never get a mark*, and cost nothing: no command, and no byte of an answer.
//!
//! *A mark is no blame.* It says that some worker died that may have been running the message, and makes its next run cost one
//! more call: [`Store::start`](crate::store::Store::start), before it runs. A mark that is wrong costs that call. So the first death
//! is never counted, and a message that kills its worker whenever it runs takes its first one and then as many as the limit says.
//!
//! *A recorded start makes the next death count*, for this message and whatever else of that worker was marked and ran. Those
//! innocents stop gathering deaths as soon as they have two: then a worker keeps them apart (`worker/quarantine.rs`).
//!
//! *Waiting is no running.* Of what a worker has fetched and not started, its beats tell, so that it gets no mark. That is up to a
//! beat old: the message may have started since, and be what killed the worker. So it is spared once and never twice; a mark that
//! should have been is missing once, and the message takes one worker more.
//!
//! *Repeats change nothing.* A start belongs to one claim of one worker: recorded twice it is the same; a worker that was only paused
//! past its lease is counted as dead once, when it is recovered; and nothing that it does later finds its claim.
//!
//! *Python* records no starts. What its dead workers held is marked, and counts once Rust runs it.

/// What is noted of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Note {
    /// No worker died with it.
    #[default]
    Nothing,
    /// One died that had not started it, as far as its last beat knew.
    Spared,
    /// One died that may have been running it; and so many died that certainly did.
    Marked(u32),
}

impl Note {
    /// What one more death makes of it.
    pub(super) fn after_death(self, was_started: bool, had_waited: bool) -> Self {
        match self {
            _ if was_started => Self::Marked(self.crashes() + 1),
            Self::Nothing if had_waited => Self::Spared,
            Self::Nothing | Self::Spared => Self::Marked(0),
            Self::Marked(_) => self,
        }
    }

    /// What a recorded start makes of it.
    pub(super) fn after_start(self) -> Self {
        Self::Marked(self.crashes())
    }

    /// How many workers died while they ran it.
    pub(super) fn crashes(self) -> u32 {
        if let Self::Marked(crashes) = self { crashes } else { 0 }
    }

    /// Whether its next start is to be recorded.
    pub(super) fn is_marked(self) -> bool {
        matches!(self, Self::Marked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::Note::{self, Marked, Nothing, Spared};

    #[test]
    fn only_a_recorded_start_makes_a_death_count() {
        let died = |note: Note| note.after_death(true, false);
        assert_eq!([died(Nothing), died(Spared), died(Marked(0)), died(Marked(4))].map(Note::crashes), [1, 1, 1, 5]);
        let may_have_run = |note: Note| note.after_death(false, false);
        assert_eq!(
            [Nothing, Spared, Marked(0), Marked(4)].map(may_have_run),
            [Marked(0), Marked(0), Marked(0), Marked(4)]
        );
    }

    #[test]
    fn waiting_spares_a_message_once() {
        let waited = |note: Note| note.after_death(false, true);
        assert_eq!([Nothing, Spared, Marked(0), Marked(4)].map(waited), [Spared, Marked(0), Marked(0), Marked(4)]);
    }
}
