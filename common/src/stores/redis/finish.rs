//! Finishing: the acknowledgements of a batch, plain or with one result, in few commands, every other completion as a step of its own.
//!
//! What a call brings is cut by number and by bytes: after an outage many large completions are due at once, and one call with
//! all of them would hold up the server and everybody else on this connection. Each part is answered by itself.

use std::time::Duration;

use redis::Value;

use super::RedisStore;
use super::connection::{CallError, Link};
use super::error::from_script;
use super::groups::Groups;
use super::limits::{CHUNK, CHUNK_BYTES};
use super::record::{Record, encode};
use super::scripts::{Call, read};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::{Message, MessageId, option};
use crate::queue_name::QueueName;
use crate::store::{Body, Completion, Disposition, Effect, Finished, Registration, fresh_name};
use crate::stores::shared::batch::order;

/// How often a completion is sent again because an id was in use; a fresh id never is.
const MAX_ROUNDS: usize = 5;

/// What the script says of one completion.
enum Reply {
    Finished(Finished),
    /// An id is in use by other bytes; nothing happened.
    InUse,
    /// There was no room left for its body on the server; nothing happened.
    NotYet,
    /// It is cancelled for this reason, and was to be run again; nothing happened.
    Cancelled(String),
}

/// Endings of one call by their place among all.
#[derive(Default)]
struct Plan<'a> {
    /// Acknowledgements, by queue.
    plain: ByQueue<'a>,
    /// Acknowledgements that keep one result each, by queue.
    keeping: ByQueue<'a>,
    others: Vec<Step>,
}

/// Places by the queue of what is there.
type ByQueue<'a> = Vec<(&'a QueueName, Vec<usize>)>;

/// A completion that is more than an acknowledgement.
#[derive(Clone, Default)]
struct Step {
    place: usize,
    /// Whether an id was in use, so that it takes fresh ones.
    is_fresh: bool,
    /// Why the message must not run again, where it was to.
    cancelled: Option<String>,
}

pub(super) async fn run(
    store: &RedisStore,
    link: &Link,
    registration: &Registration,
    completions: &[Completion],
) -> Result<Vec<Finished>, StoreError> {
    // Whoever tries to finish a message has not forgotten it.
    store.registered.remember(&registration.worker, completions);
    let _call = store.under_way(&registration.worker);
    let mut answers = vec![None; completions.len()];
    let mut failed = None;
    for part in parts(completions) {
        if let Err(error) = store.finish_part(link, registration, completions, &part, &mut answers).await {
            failed = Some(error);
            break;
        }
    }
    let Some(error) = failed else { return Ok(answers.into_iter().flatten().collect()) };
    if answers.iter().all(|answer| matches!(answer, None | Some(Finished::Unanswered(_)))) {
        return Err(error);
    }
    // What was not sent any more did not happen.
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Finished::Refused(error.clone()))).collect())
}

impl RedisStore {
    /// Ends those at these places, and writes down their answers.
    async fn finish_part(
        &self,
        link: &Link,
        registration: &Registration,
        completions: &[Completion],
        places: &[usize],
        answers: &mut [Option<Finished>],
    ) -> Result<(), StoreError> {
        let mut plan = Plan::new(completions, places);
        let mut rounds = 0;
        while rounds < MAX_ROUNDS {
            let said = self.send_completions(link, registration, completions, &plan).await;
            let sent = plan.into_all();
            let said = match said {
                Ok(said) => said,
                Err(error) => {
                    let is_lost = matches!(error, CallError::Lost(_));
                    let error = StoreError::from(error);
                    if is_lost {
                        sent.for_each(|step| answers[step.place] = Some(Finished::Unanswered(error.clone())));
                    }
                    return Err(error);
                }
            };
            plan = Plan::default();
            rounds += 1;
            for (step, said) in sent.zip(said) {
                let place = step.place;
                match said {
                    Reply::Finished(answer) => answers[place] = Some(answer),
                    Reply::Cancelled(reason) => plan.others.push(Step { cancelled: Some(reason), ..step }),
                    Reply::NotYet => {
                        // Each call takes some of them.
                        rounds = 0;
                        plan.others.push(step);
                    }
                    Reply::InUse => {
                        let refusal = StoreError::Refused("every id is in use".to_owned());
                        answers[place] = Some(Finished::Refused(refusal));
                        plan.others.push(Step { is_fresh: true, ..step });
                    }
                }
            }
            if plan.others.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// One call; the answers in the order of [`Plan::into_all`].
    async fn send_completions(
        &self,
        link: &Link,
        registration: &Registration,
        completions: &[Completion],
        plan: &Plan<'_>,
    ) -> Result<Vec<Reply>, CallError> {
        let mut call = self.script(&self.scripts.finish);
        call.text(registration.worker.as_str()).count(plan.plain.len());
        for (queue, places) in &plan.plain {
            call.text(queue.as_str()).count(places.len());
            for &place in places {
                call.text(&completions[place].claim.id);
            }
        }
        call.count(plan.keeping.len());
        for (queue, places) in &plan.keeping {
            call.text(queue.as_str()).count(places.len());
            for completion in places.iter().map(|&place| &completions[place]) {
                call.text(&completion.claim.id);
                results(completion).for_each(|result| append_result(&mut call, result));
            }
        }
        let groups = Groups::of(plan.others.iter().map(|step| &completions[step.place]));
        groups.append(self, &mut call);
        for step in &plan.others {
            self.append(&mut call, &completions[step.place], step, &groups);
        }
        let mut values = call.run::<Vec<Value>>(link).await?.into_iter();
        let mut said = Vec::new();
        for (_, places) in plan.plain.iter().chain(&plan.keeping) {
            match values.next().unwrap_or_default() {
                Value::Array(each) => said.extend(each.into_iter().map(Reply::from)),
                // One refusal for all of them.
                refusal => said.extend(places.iter().map(|_| Reply::from(refusal.clone()))),
            }
        }
        said.extend(values.map(Reply::from));
        Ok(said)
    }

    fn append(&self, call: &mut Call<'_>, completion: &Completion, step: &Step, groups: &Groups<'_>) {
        let claim = &completion.claim;
        call.text(claim.queue.as_str()).text(&self.keys.fleet(&claim.queue)).text(&claim.id);
        match (&completion.disposition, &step.cancelled) {
            (Disposition::Release, _) => call.text("release"),
            (Disposition::Ack, _) => call.text("ack"),
            (Disposition::StaysDead, _) => call.text("dead"),
            (Disposition::Requeue(_) | Disposition::Retry(..), None) => call.text("retry"),
            (Disposition::Defer(..), None) => call.text("defer"),
            (
                Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message),
                Some(reason),
            ) => {
                let id = if step.is_fresh { fresh_name(message) } else { claim.id.to_string() };
                call.text("unended").text(&id).bytes(&encode(message, &id)).text(reason)
            }
            (Disposition::DeadLetter(Body::Message(message), reason), _) => {
                let id = if step.is_fresh { fresh_name(message) } else { claim.id.to_string() };
                call.text("dead_letter").text(&id).bytes(&encode(message, &id)).text(reason)
            }
            (Disposition::DeadLetter(Body::Raw(bytes), reason), _) => {
                let fresh = || format!("{}#{}", claim.id, MessageId::random().short());
                let id = if step.is_fresh { fresh() } else { claim.id.to_string() };
                call.text("dead_letter").text(&id).bytes(bytes).text(reason)
            }
        };
        let puts = puts(completion, self.clock.now(), step);
        call.count(puts.len());
        for record in puts {
            record.put(call, &self.keys.fleet(&record.queue));
        }
        call.count(results(completion).count());
        results(completion).for_each(|result| append_result(call, result));
        groups.append_counts(call, completion);
    }
}

/// What a completion keeps: key, time to live and value.
fn results(completion: &Completion) -> impl Iterator<Item = (&str, Duration, &[u8])> {
    completion.effects.iter().filter_map(|effect| match effect {
        Effect::Store { key, value, ttl } => Some((key.as_str(), *ttl, value.as_slice())),
        Effect::Enqueue(_) | Effect::Count(_) => None,
    })
}

fn append_result(call: &mut Call<'_>, (key, ttl, value): (&str, Duration, &[u8])) {
    call.text(key).duration(ttl).bytes(value);
}

/// The new bodies that a completion writes.
fn puts(completion: &Completion, now: Timestamp, step: &Step) -> Vec<Record> {
    let moved = |message: &Message, eta: Option<Timestamp>| {
        let mut message = message.clone();
        message.set_eta(eta);
        Record::fresh(&message, now)
    };
    let own = match &completion.disposition {
        _ if step.cancelled.is_some() => None,
        Disposition::Requeue(message) => Some(moved(message, None)),
        Disposition::Defer(eta, message) if message.options.get(option::UNKNOWN_SINCE).is_some() => {
            Some(Record::shared(message, *eta, now))
        }
        Disposition::Retry(eta, message) | Disposition::Defer(eta, message) => Some(moved(message, Some(*eta))),
        Disposition::Ack | Disposition::Release | Disposition::DeadLetter(..) | Disposition::StaysDead => None,
    };
    let effects = completion.effects.iter().filter_map(|effect| match effect {
        Effect::Enqueue(message) if step.is_fresh => Some(Record::fresh(message, now)),
        Effect::Enqueue(message) => Some(Record::first(message, now)),
        Effect::Store { .. } | Effect::Count(_) => None,
    });
    own.into_iter().chain(effects).collect()
}

/// The places of the completions of each call, in the order in which they happen: at most [`CHUNK`] of them, and about
/// [`CHUNK_BYTES`] of bodies, or one where that is larger.
fn parts(completions: &[Completion]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for place in order(completions) {
        let size = bytes_of(&completions[place]);
        match parts.last_mut() {
            Some(part) if part.len() < CHUNK && bytes + size <= CHUNK_BYTES => part.push(place),
            _ => {
                parts.push(vec![place]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    parts
}

/// Roughly the bytes of bodies that a completion sends.
fn bytes_of(completion: &Completion) -> usize {
    let own = match &completion.disposition {
        Disposition::Ack | Disposition::Release | Disposition::StaysDead => 0,
        Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message) => {
            message.size()
        }
        Disposition::DeadLetter(Body::Message(message), reason) => message.size() + reason.len(),
        Disposition::DeadLetter(Body::Raw(bytes), reason) => bytes.len() + reason.len(),
    };
    let effects = completion.effects.iter().map(|effect| match effect {
        Effect::Enqueue(message) => message.size(),
        Effect::Store { value, .. } => value.len(),
        Effect::Count(count) => count.then.iter().map(Message::size).sum(),
    });
    own + effects.sum::<usize>()
}

impl<'a> Plan<'a> {
    fn new(completions: &'a [Completion], places: &[usize]) -> Self {
        let mut plan = Self::default();
        for &place in places {
            let completion = &completions[place];
            let queue = &completion.claim.queue;
            match &completion.disposition {
                Disposition::Ack if completion.effects.is_empty() => add(&mut plan.plain, queue, place),
                Disposition::Ack if matches!(*completion.effects, [Effect::Store { .. }]) => {
                    add(&mut plan.keeping, queue, place);
                }
                _ => plan.others.push(Step { place, ..Step::default() }),
            }
        }
        plan
    }

    /// In the order in which they are sent.
    fn into_all(self) -> impl Iterator<Item = Step> {
        let gathered = self.plain.into_iter().chain(self.keeping).flat_map(|(_, places)| places);
        gathered.map(|place| Step { place, ..Step::default() }).chain(self.others)
    }
}

fn add<'a>(queues: &mut ByQueue<'a>, queue: &'a QueueName, place: usize) {
    match queues.iter_mut().find(|(known, _)| *known == queue) {
        Some((_, places)) => places.push(place),
        None => queues.push((queue, vec![place])),
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(1) => Self::Finished(Finished::Done),
            Value::Int(2) => Self::Finished(Finished::Uncounted),
            Value::Int(0) => Self::Finished(Finished::ClaimLost),
            Value::Int(-1) => Self::InUse,
            Value::Int(-2) => Self::NotYet,
            Value::Array(reason) => {
                let reason = reason.into_iter().next().unwrap_or_default();
                read(reason).map_or_else(|error| Self::Finished(Finished::Refused(error)), Self::Cancelled)
            }
            step => {
                let refusal = read::<String>(step).map_or_else(|error| error, |text| from_script(&text));
                Self::Finished(Finished::Refused(refusal))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Claim;

    fn completion(disposition: Disposition) -> Completion {
        Completion { claim: Claim { queue: QueueName::default(), id: "id".into() }, disposition, effects: Vec::new() }
    }

    #[test]
    fn a_part_is_bounded_by_number_and_by_bytes() {
        let large = || completion(Disposition::DeadLetter(Body::Raw(vec![0; CHUNK_BYTES / 2]), String::new()));
        let small = || completion(Disposition::Ack);
        let completions = [small(), large(), large(), small(), large(), small()];
        assert_eq!(parts(&completions), [vec![0, 1, 2, 3], vec![4, 5]]);
        let huge = completion(Disposition::DeadLetter(Body::Raw(vec![0; CHUNK_BYTES + 1]), String::new()));
        assert_eq!(parts(&[small(), huge, small()]), [vec![0], vec![1], vec![2]]);
        let many: Vec<_> = std::iter::repeat_with(small).take(CHUNK + 1).collect();
        assert_eq!(parts(&many).iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, 1]);
    }

    #[test]
    fn of_what_is_requeued_the_last_goes_first() {
        let heads: Vec<_> = std::iter::repeat_with(|| completion(Disposition::Release)).take(CHUNK + 2).collect();
        let expected = [(2..CHUNK + 2).rev().collect(), vec![1, 0]];
        assert_eq!(parts(&heads), expected);
    }
}
