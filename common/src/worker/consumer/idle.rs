//! Completion by itself once nothing is left.
//!
//! A worker that has nothing to do asks the store with a beat, which knows of what came meanwhile: another sender's message,
//! an effect of the last run, something that has come due.

use super::Consumer;
use crate::clock::Timestamp;
use crate::store::Beat;
use crate::worker::stop::Stage;

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Until {
    /// Never.
    Stopped,
    /// Nothing is ready or runs.
    Idle,
    /// Nothing is delayed either.
    Done,
}

/// How far the question is whether anything is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Open,
    /// A beat is under way that was begun with nothing to do.
    Asked,
    /// Nothing is left but what is delayed until then; until something happens, that stays so.
    Answered(Timestamp),
}

impl Consumer {
    /// Asks the store whether anything is left, when there is nothing to do.
    pub(super) fn ask_for_more(&mut self) {
        let is_asking = self.until != Until::Stopped && self.question == Question::Open;
        if is_asking && !self.beating && self.has_nothing_to_do() {
            self.question = Question::Asked;
            self.start_beat();
        }
    }

    /// Takes in the store's answer.
    pub(super) fn answer_whether_more(&mut self, beat: &Beat) {
        match self.question {
            Question::Asked => self.question = Question::Open,
            // What was waited for is put off or gone: somebody has cancelled it, or another worker has run it.
            Question::Answered(due) if beat.next_due != Some(due) => {
                self.question = Question::Open;
                return;
            }
            _ => return,
        }
        if beat.moved > 0 || beat.ready || !self.has_nothing_to_do() {
            return;
        }
        match beat.next_due {
            Some(due) if self.until == Until::Done => {
                self.question = Question::Answered(due);
                let clock = self.broker.clock();
                if clock.is_manual() {
                    clock.advance(due.since(clock.now()));
                }
            }
            _ => self.stop(Stage::Stopping),
        }
    }

    fn has_nothing_to_do(&self) -> bool {
        self.stage == Stage::Running
            && self.drained
            && !self.fetching
            && !self.finishing
            && self.condemning == 0
            && !self.is_asking_for_unended
            && self.unfinished.is_empty()
            && self.refused.is_empty()
            && self.local_queue.is_quiet()
            && self.claims.is_empty()
            && self.local_queue.busy() == 0
    }
}
