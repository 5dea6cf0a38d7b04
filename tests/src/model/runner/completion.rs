//! Finishing, in all its forms.

use super::{Held, Kind, Operation, Runner, Wrong, refused};
use crate::model::places::Move;
use common::{
    message::{Message, Raw, option},
    store::{Body, Completion, Count, Disposition, Effect, Finished, MemberEnd, NewGroup},
};
use std::time::Duration;

/// How long results are kept: over with a minute.
const RESULT_TTL: Duration = Duration::from_secs(50);

/// How many members each group has, and how long it is kept: for longer than any test takes, whatever its clock says.
const MEMBERS: u32 = 3;
const GROUP_TTL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The ways in which a run may end.
const FORMS: [Kind; 9] = [
    Kind::Done,
    Kind::DoneWithMessages,
    Kind::DoneWithResult,
    Kind::DoneAsMember,
    Kind::Again,
    Kind::Retry,
    Kind::Release,
    Kind::DeadLetter,
    Kind::DeadLetterBytes,
];

impl Runner {
    pub(super) async fn finish(&mut self, operation: Operation) -> Result<(), Wrong> {
        let kind = operation.kind;
        let worker = match kind {
            Kind::FinishLost => self.one_of(operation, |own| !own.past.is_empty())?,
            Kind::FinishSeveral | Kind::ReleaseAll => self.one_of(operation, |own| own.held.len() > 1)?,
            _ => self.one_of(operation, |own| !own.held.is_empty())?,
        };
        let own = &mut self.workers[worker];
        let held = match kind {
            // It is of the past, so it may be of the past once more.
            Kind::FinishLost => vec![own.past[operation.pick(1, own.past.len())].clone()],
            Kind::FinishSeveral => own.held.split_off(own.held.len().saturating_sub(3)),
            Kind::ReleaseAll => std::mem::take(&mut own.held),
            _ => vec![own.held.remove(operation.pick(1, own.held.len()))],
        };
        if kind == Kind::FinishLost && self.is_held_again(worker, &held[0]) {
            return self.end_late(worker, &held[0], operation).await;
        }
        let forms = held.iter().enumerate().map(|(at, _)| match kind {
            // What went to the head may be claimed by the same worker again, so that end can't be repeated.
            Kind::FinishTwice | Kind::FinishUnanswered if FORMS[operation.pick(2, FORMS.len())] == Kind::Release => {
                Kind::Done
            }
            Kind::FinishSeveral | Kind::FinishTwice | Kind::FinishUnanswered | Kind::FinishLost => {
                FORMS[(operation.pick(2, FORMS.len()) + at) % FORMS.len()]
            }
            form => form,
        });
        let forms: Vec<_> = forms.collect();
        self.open_group(operation).await?;
        let completions: Vec<Completion> =
            forms.into_iter().zip(&held).map(|(form, held)| self.completion(form, held, operation)).collect();
        self.end(worker, &completions).await?;
        if kind == Kind::FinishUnanswered {
            // It does not know that they have ended, so its next beat names them still.
            self.workers[worker].held.extend(held);
            self.beat(worker).await?;
            return self.end(worker, &completions).await;
        }
        if kind == Kind::FinishTwice {
            self.end(worker, &completions).await?;
        }
        if kind != Kind::FinishLost {
            self.workers[worker].past.extend(held);
        }
        Ok(())
    }

    /// Whether the worker has fetched the message of a past run once more, and holds it.
    fn is_held_again(&self, worker: usize, past: &Held) -> bool {
        let is_again = |held: &Held| held.claim == past.claim && held.run != past.run;
        self.workers[worker].held.iter().any(is_again) && self.places.holds(worker, &past.claim)
    }

    /// A run ends whose claim is another one's by now. To the store both are the same, so the worker must not tell it.
    async fn end_late(&mut self, worker: usize, past: &Held, operation: Operation) -> Result<(), Wrong> {
        self.places.happened(Move::HeldTwice, 1);
        let Held { claim, run, .. } = past;
        self.tell(|| format!("run {run} of worker {worker} on {} ends, and counts for nothing", claim.id));
        if self.late_ends_count {
            self.open_group(operation).await?;
            let completion = self.completion(FORMS[operation.pick(2, FORMS.len())], past, operation);
            self.end(worker, &[completion]).await?;
        }
        if self.places.holds(worker, claim) {
            return Ok(());
        }
        Err(Wrong(format!("the late end of run {run} of worker {worker} has ended a later run of {}", claim.id)))
    }

    /// There is a group whose members can end.
    async fn open_group(&mut self, operation: Operation) -> Result<(), Wrong> {
        if self.group.as_ref().is_some_and(|(name, _)| self.places.is_open(name)) {
            return Ok(());
        }
        let then = self.message(operation.pick(2, self.queues.len()));
        let name = format!("{}group{}", self.results, self.last);
        let group = NewGroup { name: name.clone(), members: MEMBERS, ttl: GROUP_TTL };
        self.store.open_group(&group).await.map_err(refused)?;
        self.places.open_group(&name, MEMBERS);
        self.group = Some((name, then));
        Ok(())
    }

    /// One of its members ends in one of the ways in which it may.
    fn end_of_member(&self, operation: Operation) -> Vec<Effect> {
        let Some((group, then)) = self.group.clone() else { return Vec::new() };
        let member = u32::try_from(operation.pick(1, 2 * MEMBERS as usize)).ok().filter(|member| *member <= MEMBERS);
        let end = match operation.pick(2, 4) {
            0 => MemberEnd::Failed { counts: false },
            1 => MemberEnd::Failed { counts: true },
            _ => MemberEnd::Done,
        };
        // Of one that has no number, nothing can be noted.
        let end = if member.is_none() { MemberEnd::Done } else { end };
        vec![Effect::Count(Count { group, member, end, ttl: GROUP_TTL, then: vec![then] })]
    }

    fn completion(&mut self, form: Kind, held: &Held, operation: Operation) -> Completion {
        let queue = operation.pick(1, self.queues.len());
        let mut effects = Vec::new();
        let disposition = match form {
            Kind::Again => Disposition::Requeue(retried(&held.message)),
            // It was not run, and is as it was but for its time.
            Kind::Retry if operation.pick(1, 512) < 256 => {
                Disposition::Defer(self.clock.now() + Self::delay(operation), unnamed(&held.message))
            }
            Kind::Retry => Disposition::Retry(self.clock.now() + Self::delay(operation), retried(&held.message)),
            Kind::Release | Kind::ReleaseAll => Disposition::Release,
            Kind::DeadLetter => Disposition::DeadLetter(Body::Message(retried(&held.message)), "it failed".to_owned()),
            Kind::DeadLetterBytes => {
                Disposition::DeadLetter(Body::Raw(b"\xff no message".to_vec()), "not a message".to_owned())
            }
            Kind::DoneWithMessages => {
                let mut later = self.message(queue);
                later.set_eta(Some(self.clock.now() + Self::delay(operation)));
                effects = vec![
                    Effect::Enqueue(self.message(queue)),
                    Effect::Enqueue(later),
                    Effect::Enqueue(self.message(queue)),
                ];
                Disposition::Ack
            }
            Kind::DoneWithResult => {
                self.last += 1;
                // Now and then in place of an older one.
                let key = format!("{}{}", self.results, self.last % 3);
                effects = vec![Effect::Store { key, value: self.last.to_string().into_bytes(), ttl: RESULT_TTL }];
                Disposition::Ack
            }
            Kind::DoneAsMember => {
                effects = self.end_of_member(operation);
                Disposition::Ack
            }
            _ => Disposition::Ack,
        };
        for effect in &effects {
            if let Effect::Enqueue(message) = effect {
                self.sent.push(message.clone());
            }
        }
        Completion { claim: held.claim.clone(), disposition, effects }
    }

    async fn end(&mut self, worker: usize, completions: &[Completion]) -> Result<(), Wrong> {
        let answers = self.store.finish(&self.workers[worker].registration, completions).await;
        self.tell(|| {
            let ends: Vec<_> = completions
                .iter()
                .map(|completion| format!("{} {:?}", completion.claim.id, completion.disposition))
                .collect();
            format!("worker {worker} finishes {}: {answers:?}", ends.join(", "))
        });
        if let Ok(answers) = answers {
            return self.places.finished(worker, completions, &answers);
        }
        // Each of them happened as a whole, or not at all.
        let mut possible = Vec::new();
        for chosen in 0..1_usize << completions.len() {
            let some = completions.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
            let some: Vec<_> = some.map(|(_, completion)| completion.clone()).collect();
            let mut places = self.places.clone();
            if places.finished(worker, &some, &vec![Finished::Done; some.len()]).is_ok() {
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
