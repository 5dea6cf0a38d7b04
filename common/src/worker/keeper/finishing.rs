//! Storing the ends of runs, a batch at a time.

use std::sync::Arc;

use tracing::warn;

use super::idling::Question;
use super::{Call, Keeper};
use crate::error::StoreError;
use crate::store::{Answer, Ending, Place};
use crate::worker::event::Event;

impl Keeper {
    pub(super) fn start_finish(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        self.finishing = true;
        self.sent = Arc::new(std::mem::take(&mut self.unfinished));
        self.sent_at = self.holds.last();
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        let endings = self.sent.clone();
        tokio::spawn(async move {
            let answers = store.finish(&lease, &endings).await;
            drop(endings);
            pool.tell(Event::Finished(answers));
        });
    }

    pub(super) fn finished(&mut self, answers: Result<Vec<Answer>, StoreError>) {
        self.finishing = false;
        let (endings, sent_at) = (Arc::unwrap_or_clone(std::mem::take(&mut self.sent)), self.sent_at);
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                for ending in endings {
                    self.unanswered(ending, sent_at);
                }
                self.repeated = true;
                self.failed(Call::Finish, &error);
                return;
            }
        };
        self.question = Question::Open;
        let (mut unknown, mut refused, mut lost) = (0, None, None);
        let mut overtaken = Vec::new();
        for (ending, answer) in endings.into_iter().zip(answers) {
            let claim = &ending.claim;
            match answer {
                Answer::Failed(_) if !self.holds.is_still(claim, sent_at) => {}
                Answer::Failed(error) => {
                    self.refused.push(ending);
                    refused = Some(error);
                }
                Answer::Lost(error) => {
                    self.unanswered(ending, sent_at);
                    lost = Some(error);
                }
                _ if self.holds.remove(claim, sent_at) => unknown += usize::from(answer == Answer::Unknown),
                // Fetched once more meanwhile: what went back to the head may be; of anything else, this is the end.
                Answer::Finished if ending.place != Place::Head && self.holds.is_newer(claim, sent_at) => {
                    overtaken.push(ending.claim);
                }
                _ => {}
            }
        }
        for claim in &overtaken {
            self.holds.remove(claim, u64::MAX);
        }
        self.lose(&overtaken);
        if unknown > 0 && !self.repeated {
            warn!(target: "common::worker", "{unknown} ended without effect: they were given to other workers, which took this one for dead");
        }
        self.repeated = lost.is_some();
        match lost {
            Some(error) => self.failed(Call::Finish, &error),
            None => self.outage.answered(Call::Finish),
        }
        match refused {
            Some(error) => self.failed(Call::Ending, &error),
            None if self.refused.is_empty() => self.outage.answered(Call::Ending),
            None => {}
        }
    }
    /// What becomes of an ending that may have happened.
    fn unanswered(&mut self, ending: Ending, sent_at: u64) {
        if ending.place == Place::Head {
            // It may be held by others already; if it did not go back, a beat finds it.
            self.holds.remove(&ending.claim, sent_at);
        } else if self.holds.is_still(&ending.claim, sent_at) {
            // Lost meanwhile, it would end the next run of the same message.
            self.unfinished.push(ending);
        }
    }
}
