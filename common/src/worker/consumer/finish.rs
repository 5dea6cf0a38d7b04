//! Storing the ends of runs, a batch at a time.

use std::sync::Arc;

use super::Consumer;
use super::idle::Question;
use crate::error::StoreError;
use crate::store::{Completion, Disposition, Finished};
use crate::worker::event::{Call, Event};
use crate::worker::job::warn_of_rejected;

impl Consumer {
    pub(super) fn start_finish(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        self.finishing = true;
        self.sent = Arc::new(std::mem::take(&mut self.unfinished));
        self.sent_at = self.holds.last();
        let (store, registration, queue) =
            (self.broker.store().clone(), self.registration.clone(), self.local_queue.clone());
        let completions = self.sent.clone();
        tokio::spawn(async move {
            let answers = store.finish(&registration, &completions).await;
            drop(completions);
            queue.tell(Event::Finished(answers));
        });
    }

    pub(super) fn finished(&mut self, answers: Result<Vec<Finished>, StoreError>) {
        self.finishing = false;
        let (completions, sent_at) = (Arc::unwrap_or_clone(std::mem::take(&mut self.sent)), self.sent_at);
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                for completion in completions {
                    self.unanswered(completion, sent_at);
                }
                self.repeated = true;
                self.failed(Call::Finish, &error);
                return;
            }
        };
        self.question = Question::Open;
        let (mut unknown, mut refused, mut lost) = (0, None, None);
        let mut overtaken = Vec::new();
        for (completion, answer) in completions.into_iter().zip(answers) {
            let claim = &completion.claim;
            match answer {
                Finished::Refused(_) if !self.holds.is_still(claim, sent_at) => {}
                Finished::Refused(error) => {
                    self.refused.push(completion);
                    refused = Some(error);
                }
                Finished::Unanswered(error) => {
                    self.unanswered(completion, sent_at);
                    lost = Some(error);
                }
                _ if self.holds.remove(claim, sent_at) => unknown += usize::from(answer == Finished::ClaimLost),
                // Fetched once more meanwhile: what went back to the head may be; of anything else, this is the end.
                Finished::Done
                    if completion.disposition != Disposition::Release && self.holds.is_newer(claim, sent_at) =>
                {
                    overtaken.push(completion.claim);
                }
                _ => {}
            }
        }
        for claim in &overtaken {
            self.holds.remove(claim, u64::MAX);
        }
        self.lose(&overtaken);
        if unknown > 0 && !self.repeated {
            warn_of_rejected(unknown);
        }
        self.repeated = lost.is_some();
        match lost {
            Some(error) => self.failed(Call::Finish, &error),
            None => self.outage.answered(Call::Finish),
        }
        match refused {
            Some(error) => self.failed(Call::Completion, &error),
            None if self.refused.is_empty() => self.outage.answered(Call::Completion),
            None => {}
        }
    }
    /// What becomes of a completion that may have happened.
    fn unanswered(&mut self, completion: Completion, sent_at: u64) {
        if completion.disposition == Disposition::Release {
            // It may be held by others already; if it did not go back, a beat finds it.
            self.holds.remove(&completion.claim, sent_at);
        } else if self.holds.is_still(&completion.claim, sent_at) {
            // Lost meanwhile, it would end the next run of the same message.
            self.unfinished.push(completion);
        }
    }
}
