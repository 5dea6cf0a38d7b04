//! Whom a death is blamed on: what is noted of a message whose workers die.
//!
//! Nobody can ask a dead worker what killed it. Whatever it had claimed may have, and most of it did not; so a store that
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
//! *A recorded start makes the next death count*, for this message and what else of that worker was marked and started with it. Those
//! innocents stop gathering deaths as soon as they have two: then a worker keeps them apart (`worker/quarantine.rs`).
//!
//! *What had run for long is passed over once.* What kills does so soon after its start, mostly. So where other marked ones started
//! more than [`TOGETHER`] after a message, its first death does not count; but the second one in a row does, or what kills slowly would
//! go on for ever beside others that come and go. While nothing starts beside it, each of its deaths counts.
//!
//! *Waiting is no running.* Of what a worker has fetched and not started, its beats tell, so that it gets no mark. That is up to a
//! beat old: the message may have started since, and be what killed the worker. So it is spared once and never twice; a mark that
//! should have been is missing once, and the message takes one worker more.
//!
//! *Repeats change nothing.* A start belongs to one claim of one worker: recorded twice it is the same; a worker that was only paused
//! past its time is counted as dead once, when it is recovered; and nothing that it does later finds its claim.
//!
//! *Python* records no starts. What its dead workers held is marked, and counts once Rust runs it.

use std::time::Duration;

use crate::clock::Timestamp;

/// What starts within so long of the last start of its worker is blamed together with it. Shorter than the time for which nothing
/// marked starts beside a suspect (`worker/quarantine.rs`), however long the way to the store.
pub(in crate::stores) const TOGETHER: Duration = Duration::from_millis(500);

/// What a message was doing when its worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stores) enum Run {
    /// It had not started, as far as the last beat knew.
    Waited,
    /// It may have been running.
    Maybe,
    /// It ran, and was the last marked one to start, or nearly.
    Last,
    /// It ran, and other marked ones had started a while after it.
    Overtaken,
}

impl Run {
    /// When its start was recorded, if it was; when its worker had recorded one for the last time; and whether it had waited.
    pub(in crate::stores) fn of(started: Option<Timestamp>, last: Option<Timestamp>, had_waited: bool) -> Self {
        match started {
            Some(started) if last.is_some_and(|last| last > started + TOGETHER) => Self::Overtaken,
            Some(_) => Self::Last,
            None if had_waited => Self::Waited,
            None => Self::Maybe,
        }
    }
}

/// What is noted of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::stores) enum Note {
    /// No worker died with it.
    #[default]
    Nothing,
    /// One died that had not started it, as far as its last beat knew.
    Spared,
    /// One died that may have been running it; and so many died that certainly did.
    Marked(u32),
    /// The same, and the last death was not counted.
    PassedOver(u32),
}

impl Note {
    /// What one more death makes of it.
    pub(in crate::stores) fn after_death(self, run: Run) -> Self {
        match (self, run) {
            (Self::PassedOver(crashes), Run::Overtaken) => Self::Marked(crashes + 1),
            (_, Run::Overtaken) => Self::PassedOver(self.crashes()),
            (_, Run::Last) => Self::Marked(self.crashes() + 1),
            (Self::Nothing, Run::Waited) => Self::Spared,
            (Self::Nothing | Self::Spared, _) => Self::Marked(0),
            (Self::Marked(_) | Self::PassedOver(_), _) => self,
        }
    }

    /// What a recorded start makes of it.
    pub(in crate::stores) fn after_start(self) -> Self {
        if self.is_marked() { self } else { Self::Marked(0) }
    }

    /// How many workers died while they ran it.
    pub(in crate::stores) fn crashes(self) -> u32 {
        if let Self::Marked(crashes) | Self::PassedOver(crashes) = self { crashes } else { 0 }
    }

    /// Whether its next start is to be recorded.
    pub(in crate::stores) fn is_marked(self) -> bool {
        matches!(self, Self::Marked(_) | Self::PassedOver(_))
    }
}

#[cfg(test)]
mod tests {
    use super::Note::{self, Marked, Nothing, PassedOver, Spared};
    use super::{Run, TOGETHER};
    use crate::clock::Timestamp;

    const ALL: [Note; 5] = [Nothing, Spared, Marked(0), Marked(4), PassedOver(2)];

    #[test]
    fn only_a_recorded_start_makes_a_death_count() {
        let after = |run| ALL.map(|note| note.after_death(run));
        assert_eq!(after(Run::Last), [1, 1, 1, 5, 3].map(Marked));
        assert_eq!(after(Run::Maybe), [Marked(0), Marked(0), Marked(0), Marked(4), PassedOver(2)]);
    }

    #[test]
    fn waiting_spares_a_message_once() {
        let waited = ALL.map(|note| note.after_death(Run::Waited));
        assert_eq!(waited, [Spared, Marked(0), Marked(0), Marked(4), PassedOver(2)]);
    }

    #[test]
    fn who_was_overtaken_is_passed_over_once() {
        let overtaken = ALL.map(|note| note.after_death(Run::Overtaken));
        assert_eq!(overtaken, [PassedOver(0), PassedOver(0), PassedOver(0), PassedOver(4), Marked(3)]);
        let (start, more) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_001) + TOGETHER);
        let runs = [start + TOGETHER, more].map(|last| Run::of(Some(start), Some(last), false));
        assert_eq!(runs, [Run::Last, Run::Overtaken]);
        assert_eq!([Run::of(Some(start), None, true), Run::of(None, Some(more), true)], [Run::Last, Run::Waited]);
    }

    #[test]
    fn a_recorded_start_marks_and_keeps_what_is_known() {
        assert_eq!(ALL.map(Note::after_start), [Marked(0), Marked(0), Marked(0), Marked(4), PassedOver(2)]);
    }
}
