//! What workers died with is kept apart, so that one is not blamed for another.
//!
//! A marked message may have killed a worker; so its start is recorded before it runs, and its worker's next death counts against
//! it, and against the other marked ones that started at the same time; what started earlier is passed over once
//! (`stores/shared/blame.rs`). Most of these are innocent, and two rules see to it that they stay below any limit:
//!
//! | to start \ running here | plain | marked | suspect |
//! | --- | --- | --- | --- |
//! | plain | yes | yes | yes |
//! | marked | yes | yes | once that one has run for [`PROBATION`] |
//! | suspect (two deaths and more) | yes | once those have run for [`PROBATION`] | no: another worker may take it |
//!
//! An innocent message gathers two deaths at most from marked ones that start with it; then it is suspect, and nothing that workers
//! died with starts together with it any more. What kills does so within the probation, mostly; and one that takes an hour holds up
//! nobody for an hour. A suspect costs its own slot: what is plain passes by, and so does what is marked and may start; and fetching
//! goes on.
//!
//! What cannot start here yet is offered to the other workers every [`OFFER_EVERY`]: it goes back to the head of its queue, and this
//! worker fetches nothing for [`OFFER`]. If nobody wants it, it comes back. While there is a backlog nobody has a slot to spare, and
//! it is offered with every beat only.

use std::collections::BTreeMap;
use std::time::Duration;

use super::job::Job;
use crate::clock::Stopwatch;
use crate::store::SUSPECT_AFTER;

/// For so long after its start nothing else that workers died with starts beside a suspect, nor a suspect beside such a one.
pub(super) const PROBATION: Duration = Duration::from_secs(1);

/// How often others are offered what cannot start here.
pub(super) const OFFER_EVERY: Duration = Duration::from_millis(250);

/// How long others have the first choice of what goes back.
pub(super) const OFFER: Duration = Duration::from_millis(50);

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// A worker died that may have been running it.
    Marked,
    /// Several died that did.
    Suspect,
}

impl Job {
    pub(super) fn kind(&self) -> Kind {
        match (self.marked, self.crashes) {
            (_, SUSPECT_AFTER..) => Kind::Suspect,
            (true, _) => Kind::Marked,
            (false, _) => Kind::Plain,
        }
    }
}

/// Whether a message may start here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Start,
    /// In so long, unless something else starts.
    Later(Duration),
    /// Not before another one has ended.
    Elsewhere,
}

/// What runs here that workers died with, by slot, and since when.
#[derive(Debug, Default)]
pub(super) struct Quarantine(BTreeMap<usize, (Kind, Stopwatch)>);

impl Quarantine {
    pub(super) fn begin(&mut self, slot: usize, kind: Kind) {
        self.0.insert(slot, (kind, Stopwatch::start()));
    }

    /// Whether that was one of them.
    pub(super) fn end(&mut self, slot: usize) -> bool {
        self.0.remove(&slot).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn verdict(&self, kind: Kind) -> Verdict {
        let mut left = Duration::ZERO;
        for (other, since) in self.0.values() {
            match (kind, other) {
                (Kind::Suspect, Kind::Suspect) => return Verdict::Elsewhere,
                (Kind::Suspect, Kind::Marked) | (Kind::Marked, Kind::Suspect) => {
                    left = left.max(PROBATION.saturating_sub(since.elapsed()));
                }
                _ => {}
            }
        }
        if left.is_zero() { Verdict::Start } else { Verdict::Later(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_suspects_run_at_once_and_nothing_marked_starts_beside_a_new_one() {
        let mut quarantine = Quarantine::default();
        let verdicts =
            |quarantine: &Quarantine| [Kind::Plain, Kind::Marked, Kind::Suspect].map(|kind| quarantine.verdict(kind));
        assert_eq!(verdicts(&quarantine), [Verdict::Start; 3]);
        quarantine.begin(0, Kind::Marked);
        let [plain, marked, suspect] = verdicts(&quarantine);
        assert_eq!([plain, marked], [Verdict::Start; 2]);
        assert!(matches!(suspect, Verdict::Later(left) if left <= PROBATION), "{suspect:?}");
        assert!(quarantine.end(0));
        quarantine.begin(1, Kind::Suspect);
        let [plain, marked, suspect] = verdicts(&quarantine);
        assert_eq!([plain, suspect], [Verdict::Start, Verdict::Elsewhere]);
        assert!(matches!(marked, Verdict::Later(left) if left <= PROBATION), "{marked:?}");
        assert!(quarantine.end(1) && !quarantine.end(1) && quarantine.is_empty());
    }
}
