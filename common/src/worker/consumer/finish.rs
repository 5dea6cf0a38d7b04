//! Storing the ends of runs, a batch at a time.

use std::sync::Arc;

use tracing::warn;

use super::Consumer;
use super::idle::Question;
use super::outage::Call;
use crate::error::StoreError;
use crate::observe::Settled;
use crate::store::{Claim, Completion, Disposition, Effect, Finished};
use crate::worker::ended::Ended;
use crate::worker::job::warn_of_rejected;

/// How many ends a worker holds back before it fetches no more, while the place of their results or groups does not answer: it keeps
/// each of them, and each would run again if it died.
const MOST_HELD_BACK: usize = 1_000;

impl Consumer {
    /// Whether so many ends wait for another place that nothing more should run here.
    pub(super) fn holds_back_too_many(&self) -> bool {
        self.outage.is_refused_for_now(Call::Completion)
            && self.refused.len() + self.unfinished.len() + self.sent.len() >= MOST_HELD_BACK
    }

    pub(super) fn start_finish(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        self.finishing = true;
        let ended = std::mem::take(&mut self.unfinished);
        let (completions, reports) = ended.into_iter().map(|ended| (ended.completion, ended.report)).unzip();
        self.sent = Arc::new(completions);
        self.sent_reports = reports;
        self.sent_at = self.claims.last();
        let (store, registration, completions) =
            (self.broker.store().clone(), self.registration.clone(), self.sent.clone());
        let finishing = async move {
            let answers = store.finish(&registration, &completions).await;
            // The loop is to have them alone.
            drop(completions);
            answers
        };
        self.call(finishing, Self::finished);
    }

    fn finished(&mut self, answers: Result<Vec<Finished>, StoreError>) {
        self.finishing = false;
        let (completions, sent_at) = (Arc::unwrap_or_clone(std::mem::take(&mut self.sent)), self.sent_at);
        let reports = std::mem::take(&mut self.sent_reports);
        let sent = completions.into_iter().zip(reports).map(|(completion, report)| Ended { completion, report });
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                for ended in sent {
                    self.unanswered(ended, sent_at);
                }
                self.repeated = true;
                self.failed(Call::Finish, &error);
                return;
            }
        };
        self.question = Question::Open;
        let (mut unknown, mut refused, mut lost) = (0, None, None);
        let mut overtaken = Vec::new();
        for (ended, answer) in sent.zip(answers) {
            let Ended { completion, report } = ended;
            let claim = &completion.claim;
            if completion.disposition == Disposition::StaysDead {
                // Where it was not stored, the next beat sees it again.
                self.ending.remove(claim);
            }
            match answer {
                Finished::Refused(_) if !self.claims.is_still(claim, sent_at) => {
                    self.observe(report, Some(Settled::ClaimLost));
                }
                Finished::Refused(error) => {
                    self.refused.push(Ended { completion, report });
                    refused = Some(error);
                }
                Finished::Unanswered(error) => {
                    self.unanswered(Ended { completion, report }, sent_at);
                    lost = Some(error);
                }
                Finished::Done | Finished::Uncounted => {
                    if answer == Finished::Uncounted {
                        warn_of_uncounted(&completion);
                    }
                    self.observe(report, None);
                    // Fetched once more meanwhile: what went back to the head may be; of anything else, this is the end.
                    if !self.claims.remove(claim, sent_at)
                        && completion.disposition != Disposition::Release
                        && self.claims.is_newer(claim, sent_at)
                    {
                        overtaken.push(completion.claim);
                    }
                }
                Finished::ClaimLost => {
                    // Where an answer was lost before, it has more likely happened.
                    self.observe(report, (!self.repeated).then_some(Settled::ClaimLost));
                    unknown += usize::from(self.claims.remove(claim, sent_at));
                }
            }
        }
        for claim in &overtaken {
            self.claims.remove(claim, u64::MAX);
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

    /// What becomes of an end that may have been stored.
    fn unanswered(&mut self, ended: Ended, sent_at: u64) {
        if ended.completion.disposition == Disposition::Release {
            // It may be held by others already; if it did not go back, a beat finds it.
            self.claims.remove(ended.claim(), sent_at);
        } else if self.claims.is_still(ended.claim(), sent_at) {
            // Lost meanwhile, it would end the next run of the same message.
            self.unfinished.push(ended);
        } else {
            self.ending.remove(ended.claim());
            self.observe(ended.report, Some(Settled::ClaimLost));
        }
    }
}

/// Says that nothing comes after a group.
fn warn_of_uncounted(completion: &Completion) {
    let Claim { queue, id } = &completion.claim;
    for effect in &completion.effects {
        if let Effect::Count(count) = effect {
            warn!(
                target: "common::worker",
                "{id} in {queue} has ended, but its group {} is not known here (any more): it does not count, and nothing comes after it",
                count.group
            );
        }
    }
}
