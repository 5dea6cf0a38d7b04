//! Storing the ends of runs, a batch at a time.

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
        let endings = std::mem::take(&mut self.unfinished);
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        tokio::spawn(async move {
            let answers = store.finish(&lease, &endings).await;
            pool.tell(Event::Finished(endings, answers));
        });
    }

    pub(super) fn finished(&mut self, mut endings: Vec<Ending>, answers: Result<Vec<Answer>, StoreError>) {
        self.finishing = false;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                // One that went back to the head may be held by others already; if it did not, a beat finds it.
                endings.retain(|ending| ending.place != Place::Head);
                self.unfinished = endings;
                self.repeated = true;
                self.failed(Call::Finish, &error);
                return;
            }
        };
        self.outage.answered(Call::Finish);
        self.question = Question::Open;
        let (mut unknown, mut refused) = (0, None);
        for (ending, answer) in endings.into_iter().zip(answers) {
            match answer {
                Answer::Finished => {}
                Answer::Unknown => unknown += 1,
                Answer::Failed(error) => {
                    self.refused.push(ending);
                    refused = Some(error);
                }
            }
        }
        if unknown > 0 && !self.repeated {
            warn!(target: "common::worker", "{unknown} ended without effect: others took this worker for dead and hold them now");
        }
        self.repeated = false;
        match refused {
            Some(error) => self.failed(Call::Ending, &error),
            None if self.refused.is_empty() => self.outage.answered(Call::Ending),
            None => {}
        }
    }
}
