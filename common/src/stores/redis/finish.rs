//! Finishing: the plain acknowledgements of a batch in few commands, every other ending as a step of its own.
//!
//! What a call brings is cut by number and by bytes: after an outage many large endings are due at once, and one call with
//! all of them would hold up the server and everybody else on this connection. Each part is answered by itself.

use redis::Value;

use super::connection::{CallError, Link};
use super::enqueue::CHUNK_BYTES;
use super::record::{Record, encode};
use super::refusal::from_script;
use super::scripts::{Call, read};
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::{Message, MessageId, option};
use crate::queue_name::QueueName;
use crate::store::{Answer, Body, Effect, Ending, Lease, Place, fresh_name};
use crate::stores::back::order;

/// How often an ending is sent again because an id was in use; a fresh id never is.
const MAX_ROUNDS: usize = 5;

/// What the script says of one ending.
enum Said {
    Answer(Answer),
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
    plain: Vec<(&'a QueueName, Vec<usize>)>,
    others: Vec<Other>,
}

/// An ending that is more than an acknowledgement.
#[derive(Clone, Default)]
struct Other {
    place: usize,
    /// Whether an id was in use, so that it takes fresh ones.
    is_fresh: bool,
    /// Why the message must not run again, where it was to.
    cancelled: Option<String>,
}

impl RedisStore {
    pub(super) async fn finish_all(
        &self,
        link: &Link,
        lease: &Lease,
        endings: &[Ending],
    ) -> Result<Vec<Answer>, StoreError> {
        // Whoever tries to finish a message has not forgotten it.
        self.with_upkeep(&lease.worker, |upkeep| upkeep.surplus.remember(endings));
        let _call = self.under_way(&lease.worker);
        let mut answers = vec![None; endings.len()];
        let mut failed = None;
        for part in parts(endings) {
            if let Err(error) = self.finish_part(link, lease, endings, &part, &mut answers).await {
                failed = Some(error);
                break;
            }
        }
        let Some(error) = failed else { return Ok(answers.into_iter().flatten().collect()) };
        if answers.iter().all(|answer| matches!(answer, None | Some(Answer::Lost(_)))) {
            return Err(error);
        }
        // What was not sent any more did not happen.
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Answer::Failed(error.clone()))).collect())
    }

    /// Ends those at these places, and writes down their answers.
    async fn finish_part(
        &self,
        link: &Link,
        lease: &Lease,
        endings: &[Ending],
        places: &[usize],
        answers: &mut [Option<Answer>],
    ) -> Result<(), StoreError> {
        let mut plan = Plan::new(endings, places);
        let mut rounds = 0;
        while rounds < MAX_ROUNDS {
            let said = self.send_endings(link, lease, endings, &plan).await;
            let sent = plan.into_all();
            let said = match said {
                Ok(said) => said,
                Err(error) => {
                    let is_lost = matches!(error, CallError::Lost(_));
                    let error = StoreError::from(error);
                    if is_lost {
                        sent.for_each(|other| answers[other.place] = Some(Answer::Lost(error.clone())));
                    }
                    return Err(error);
                }
            };
            plan = Plan::default();
            rounds += 1;
            for (other, said) in sent.zip(said) {
                let place = other.place;
                match said {
                    Said::Answer(answer) => answers[place] = Some(answer),
                    Said::Cancelled(reason) => plan.others.push(Other { cancelled: Some(reason), ..other }),
                    Said::NotYet => {
                        // Each call takes some of them.
                        rounds = 0;
                        plan.others.push(other);
                    }
                    Said::InUse => {
                        let refusal = StoreError::Refused("every id is in use".to_owned());
                        answers[place] = Some(Answer::Failed(refusal));
                        plan.others.push(Other { is_fresh: true, ..other });
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
    async fn send_endings(
        &self,
        link: &Link,
        lease: &Lease,
        endings: &[Ending],
        plan: &Plan<'_>,
    ) -> Result<Vec<Said>, CallError> {
        let mut call = self.script(&self.scripts.finish);
        call.text(lease.worker.as_str()).count(plan.plain.len());
        for (queue, places) in &plan.plain {
            call.text(queue.as_str()).count(places.len());
            for &place in places {
                call.text(&endings[place].claim.id);
            }
        }
        for other in &plan.others {
            self.append(&mut call, &endings[other.place], other);
        }
        let mut values = call.run::<Vec<Value>>(link).await?.into_iter();
        let mut said = Vec::new();
        for (_, places) in &plan.plain {
            match values.next().unwrap_or_default() {
                Value::Array(each) => said.extend(each.into_iter().map(Said::from)),
                // One refusal for all of them.
                refusal => said.extend(places.iter().map(|_| Said::from(refusal.clone()))),
            }
        }
        said.extend(values.map(Said::from));
        Ok(said)
    }

    fn append(&self, call: &mut Call<'_>, ending: &Ending, other: &Other) {
        let claim = &ending.claim;
        call.text(claim.queue.as_str()).text(&self.keys.fleet(&claim.queue)).text(&claim.id);
        match (&ending.place, &other.cancelled) {
            (Place::Head, _) => call.text("head"),
            (Place::Gone, _) => call.text("gone"),
            (Place::Ready(_) | Place::Until(..), None) => call.text("again"),
            (Place::Later(..), None) => call.text("later"),
            (Place::Ready(message) | Place::Until(_, message) | Place::Later(_, message), Some(reason))
            | (Place::Dead(Body::Message(message), reason), _) => {
                let id = if other.is_fresh { fresh_name(message) } else { claim.id.to_string() };
                call.text("dead").text(&id).bytes(&encode(message, &id)).text(reason)
            }
            (Place::Dead(Body::Raw(bytes), reason), _) => {
                let fresh = || format!("{}#{}", claim.id, MessageId::random().short());
                let id = if other.is_fresh { fresh() } else { claim.id.to_string() };
                call.text("dead").text(&id).bytes(bytes).text(reason)
            }
        };
        let puts = puts(ending, self.clock.now(), other);
        call.count(puts.len());
        for record in puts {
            record.put(call, &self.keys.fleet(&record.queue));
        }
        let results = ending.also.iter().filter_map(|effect| match effect {
            Effect::Store { key, value, ttl } => Some((key, value, ttl)),
            Effect::Enqueue(_) => None,
        });
        call.count(results.clone().count());
        for (key, value, ttl) in results {
            call.text(key).duration(*ttl).bytes(value);
        }
    }
}

/// The new bodies that an ending writes.
fn puts(ending: &Ending, now: Timestamp, other: &Other) -> Vec<Record> {
    let moved = |message: &Message, eta: Option<Timestamp>| {
        let mut message = message.clone();
        message.set_eta(eta);
        Record::fresh(&message, now)
    };
    let own = match &ending.place {
        _ if other.cancelled.is_some() => None,
        Place::Ready(message) => Some(moved(message, None)),
        Place::Later(eta, message) if message.options.get(option::UNKNOWN_SINCE).is_some() => {
            Some(Record::shared(message, *eta, now))
        }
        Place::Until(eta, message) | Place::Later(eta, message) => Some(moved(message, Some(*eta))),
        Place::Gone | Place::Head | Place::Dead(..) => None,
    };
    let effects = ending.also.iter().filter_map(|effect| match effect {
        Effect::Enqueue(message) if other.is_fresh => Some(Record::fresh(message, now)),
        Effect::Enqueue(message) => Some(Record::first(message, now)),
        Effect::Store { .. } => None,
    });
    own.into_iter().chain(effects).collect()
}

/// The places of the endings of each call, in the order in which they happen: at most [`CHUNK`] of them, and about
/// [`CHUNK_BYTES`] of bodies, or one where that is larger.
fn parts(endings: &[Ending]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for place in order(endings) {
        let size = bytes_of(&endings[place]);
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

/// Roughly the bytes of bodies that an ending sends.
fn bytes_of(ending: &Ending) -> usize {
    let own = match &ending.place {
        Place::Gone | Place::Head => 0,
        Place::Ready(message) | Place::Until(_, message) | Place::Later(_, message) => message.size(),
        Place::Dead(Body::Message(message), reason) => message.size() + reason.len(),
        Place::Dead(Body::Raw(bytes), reason) => bytes.len() + reason.len(),
    };
    let also = ending.also.iter().map(|effect| match effect {
        Effect::Enqueue(message) => message.size(),
        Effect::Store { value, .. } => value.len(),
    });
    own + also.sum::<usize>()
}

impl<'a> Plan<'a> {
    fn new(endings: &'a [Ending], places: &[usize]) -> Self {
        let mut plan = Self::default();
        for &place in places {
            let ending = &endings[place];
            let queue = &ending.claim.queue;
            match &ending.place {
                Place::Gone if ending.also.is_empty() => match plan.plain.iter_mut().find(|(known, _)| *known == queue)
                {
                    Some((_, places)) => places.push(place),
                    None => plan.plain.push((queue, vec![place])),
                },
                _ => plan.others.push(Other { place, ..Other::default() }),
            }
        }
        plan
    }

    /// In the order in which they are sent.
    fn into_all(self) -> impl Iterator<Item = Other> {
        let plain = self.plain.into_iter().flat_map(|(_, places)| places);
        plain.map(|place| Other { place, ..Other::default() }).chain(self.others)
    }
}

impl From<Value> for Said {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(1) => Self::Answer(Answer::Finished),
            Value::Int(0) => Self::Answer(Answer::Unknown),
            Value::Int(-1) => Self::InUse,
            Value::Int(-2) => Self::NotYet,
            Value::Array(reason) => {
                let reason = reason.into_iter().next().unwrap_or_default();
                read(reason).map_or_else(|error| Self::Answer(Answer::Failed(error)), Self::Cancelled)
            }
            other => {
                let refusal = read::<String>(other).map_or_else(|error| error, |text| from_script(&text));
                Self::Answer(Answer::Failed(refusal))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Claim;

    fn ending(place: Place) -> Ending {
        Ending { claim: Claim { queue: QueueName::default(), id: "id".into() }, place, also: Vec::new() }
    }

    #[test]
    fn a_part_is_bounded_by_number_and_by_bytes() {
        let large = || ending(Place::Dead(Body::Raw(vec![0; CHUNK_BYTES / 2]), String::new()));
        let small = || ending(Place::Gone);
        let endings = [small(), large(), large(), small(), large(), small()];
        assert_eq!(parts(&endings), [vec![0, 1, 2, 3], vec![4, 5]]);
        let huge = ending(Place::Dead(Body::Raw(vec![0; CHUNK_BYTES + 1]), String::new()));
        assert_eq!(parts(&[small(), huge, small()]), [vec![0], vec![1], vec![2]]);
        let many: Vec<_> = std::iter::repeat_with(small).take(CHUNK + 1).collect();
        assert_eq!(parts(&many).iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, 1]);
    }

    #[test]
    fn of_what_is_given_back_the_last_goes_first() {
        let heads: Vec<_> = std::iter::repeat_with(|| ending(Place::Head)).take(CHUNK + 2).collect();
        let expected = [(2..CHUNK + 2).rev().collect(), vec![1, 0]];
        assert_eq!(parts(&heads), expected);
    }
}
