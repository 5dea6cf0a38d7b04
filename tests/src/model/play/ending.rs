//! Finishing, in all its forms.

use super::{Held, Kind, Operation, Play, Wrong};
use crate::model::places::Move;
use common::{
    message::{Message, Raw, option},
    store::{Answer, Body, Effect, Ending, Place},
};
use std::time::Duration;

/// How long results are kept: over with a minute.
const RESULT_TTL: Duration = Duration::from_secs(50);

/// The ways in which a run may end.
const FORMS: [Kind; 8] = [
    Kind::Done,
    Kind::DoneWithMessages,
    Kind::DoneWithResult,
    Kind::Again,
    Kind::Retry,
    Kind::GiveBack,
    Kind::Bury,
    Kind::BuryBytes,
];

impl Play {
    pub(super) async fn finish(&mut self, operation: Operation) -> Result<(), Wrong> {
        let kind = operation.kind;
        let worker = match kind {
            Kind::FinishLost => self.one_of(operation, |hand| !hand.past.is_empty())?,
            Kind::FinishSeveral | Kind::GiveBackAll => self.one_of(operation, |hand| hand.held.len() > 1)?,
            _ => self.one_of(operation, |hand| !hand.held.is_empty())?,
        };
        let hand = &mut self.hands[worker];
        let held = match kind {
            // It is of the past, so it may be of the past once more.
            Kind::FinishLost => vec![hand.past[operation.pick(1, hand.past.len())].clone()],
            Kind::FinishSeveral => hand.held.split_off(hand.held.len().saturating_sub(3)),
            Kind::GiveBackAll => std::mem::take(&mut hand.held),
            _ => vec![hand.held.remove(operation.pick(1, hand.held.len()))],
        };
        if kind == Kind::FinishLost && self.is_held_again(worker, &held[0]) {
            return self.end_late(worker, &held[0], operation).await;
        }
        let forms = held.iter().enumerate().map(|(at, _)| match kind {
            // What went to the head may be in the same hands again, so that end can't be repeated.
            Kind::FinishTwice | Kind::FinishUnanswered if FORMS[operation.pick(2, FORMS.len())] == Kind::GiveBack => {
                Kind::Done
            }
            Kind::FinishSeveral | Kind::FinishTwice | Kind::FinishUnanswered | Kind::FinishLost => {
                FORMS[(operation.pick(2, FORMS.len()) + at) % FORMS.len()]
            }
            form => form,
        });
        let endings: Vec<Ending> = forms
            .collect::<Vec<_>>()
            .into_iter()
            .zip(&held)
            .map(|(form, held)| self.ending(form, held, operation))
            .collect();
        self.end(worker, &endings).await?;
        if kind == Kind::FinishUnanswered {
            // It does not know that they have ended, so its next beat names them still.
            self.hands[worker].held.extend(held);
            self.beat(worker).await?;
            return self.end(worker, &endings).await;
        }
        if kind == Kind::FinishTwice {
            self.end(worker, &endings).await?;
        }
        if kind != Kind::FinishLost {
            self.hands[worker].past.extend(held);
        }
        Ok(())
    }

    /// Whether the worker has fetched the message of a past run once more, and holds it.
    fn is_held_again(&self, worker: usize, past: &Held) -> bool {
        let is_again = |held: &Held| held.claim == past.claim && held.run != past.run;
        self.hands[worker].held.iter().any(is_again) && self.places.holds(worker, &past.claim)
    }

    /// A run ends whose claim is another one's by now. To the store both are the same, so the worker must not tell it.
    async fn end_late(&mut self, worker: usize, past: &Held, operation: Operation) -> Result<(), Wrong> {
        self.places.happened(Move::HeldTwice, 1);
        let Held { claim, run, .. } = past;
        self.tell(|| format!("run {run} of worker {worker} on {} ends, and counts for nothing", claim.id));
        if self.late_ends_count {
            let ending = self.ending(FORMS[operation.pick(2, FORMS.len())], past, operation);
            self.end(worker, &[ending]).await?;
        }
        if self.places.holds(worker, claim) {
            return Ok(());
        }
        Err(Wrong(format!("the late end of run {run} of worker {worker} has ended a later run of {}", claim.id)))
    }

    fn ending(&mut self, form: Kind, held: &Held, operation: Operation) -> Ending {
        let queue = operation.pick(1, self.queues.len());
        let mut also = Vec::new();
        let place = match form {
            Kind::Again => Place::Ready(retried(&held.message)),
            // It was not run, and is as it was but for its time.
            Kind::Retry if operation.pick(1, 512) < 256 => {
                Place::Later(self.clock.now() + Self::delay(operation), unnamed(&held.message))
            }
            Kind::Retry => Place::Until(self.clock.now() + Self::delay(operation), retried(&held.message)),
            Kind::GiveBack | Kind::GiveBackAll => Place::Head,
            Kind::Bury => Place::Dead(Body::Message(retried(&held.message)), "it failed".to_owned()),
            Kind::BuryBytes => Place::Dead(Body::Raw(b"\xff no message".to_vec()), "not a message".to_owned()),
            Kind::DoneWithMessages => {
                let mut later = self.message(queue);
                later.set_eta(Some(self.clock.now() + Self::delay(operation)));
                also = vec![
                    Effect::Enqueue(self.message(queue)),
                    Effect::Enqueue(later),
                    Effect::Enqueue(self.message(queue)),
                ];
                Place::Gone
            }
            Kind::DoneWithResult => {
                self.last += 1;
                // Now and then in place of an older one.
                let key = format!("{}{}", self.results, self.last % 3);
                also = vec![Effect::Store { key, value: self.last.to_string().into_bytes(), ttl: RESULT_TTL }];
                Place::Gone
            }
            _ => Place::Gone,
        };
        for effect in &also {
            if let Effect::Enqueue(message) = effect {
                self.sent.push(message.clone());
            }
        }
        Ending { claim: held.claim.clone(), place, also }
    }

    async fn end(&mut self, worker: usize, endings: &[Ending]) -> Result<(), Wrong> {
        let answers = self.store.finish(&self.hands[worker].lease, endings).await;
        self.tell(|| {
            let ends: Vec<_> = endings.iter().map(|ending| format!("{} {:?}", ending.claim.id, ending.place)).collect();
            format!("worker {worker} finishes {}: {answers:?}", ends.join(", "))
        });
        if let Ok(answers) = answers {
            return self.places.finished(worker, endings, &answers);
        }
        // Each of them happened as a whole, or not at all.
        let mut possible = Vec::new();
        for chosen in 0..1_usize << endings.len() {
            let some = endings.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
            let some: Vec<_> = some.map(|(_, ending)| ending.clone()).collect();
            let mut places = self.places.clone();
            if places.finished(worker, &some, &vec![Answer::Finished; some.len()]).is_ok() {
                possible.push(places);
            }
        }
        self.settle(possible).await
    }
}

/// The message as it is after one more attempt.
fn retried(message: &Message) -> Message {
    let mut message = unnamed(message);
    message.options.set(option::RETRIES, Raw::from(message.retries() + 1));
    message
}

/// The message without the name under which Redis had it: it will lie there under another one.
fn unnamed(message: &Message) -> Message {
    let mut message = message.clone();
    message.options.remove(option::REDIS_MESSAGE_ID);
    message
}
