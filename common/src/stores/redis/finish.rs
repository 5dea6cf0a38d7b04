//! Finishing: the plain acknowledgements of a batch in few commands, every other ending as a step of its own.

use redis::Value;

use super::record::{Record, encode};
use super::refusal::from_script;
use super::scripts::{Call, read};
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::{Message, MessageId};
use crate::queue_name::QueueName;
use crate::store::{Answer, Body, Effect, Ending, Lease, Place, fresh_name};

/// How often an ending is sent again because an id was in use; a fresh id never is.
const MAX_ROUNDS: usize = 5;

/// What the script says of one ending.
enum Said {
    Answer(Answer),
    /// An id is in use by other bytes; nothing happened.
    InUse,
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
    pub(super) async fn finish_all(&self, lease: &Lease, endings: &[Ending]) -> Result<Vec<Answer>, StoreError> {
        // Whoever tries to finish a message has not forgotten it.
        self.with_upkeep(&lease.worker, |upkeep| upkeep.remember(endings));
        let mut answers = vec![Answer::Unknown; endings.len()];
        for places in order(endings).chunks(CHUNK) {
            self.finish_chunk(lease, endings, places, &mut answers).await?;
        }
        Ok(answers)
    }

    /// Ends those at these places, and writes down their answers.
    async fn finish_chunk(
        &self,
        lease: &Lease,
        endings: &[Ending],
        places: &[usize],
        answers: &mut [Answer],
    ) -> Result<(), StoreError> {
        let mut plan = Plan::new(endings, places);
        for _ in 0..MAX_ROUNDS {
            let said = self.send_endings(lease, endings, &plan).await?;
            let sent = plan.into_all();
            plan = Plan::default();
            for (other, said) in sent.zip(said) {
                let place = other.place;
                match said {
                    Said::Answer(answer) => answers[place] = answer,
                    Said::Cancelled(reason) => plan.others.push(Other { cancelled: Some(reason), ..other }),
                    Said::InUse => {
                        answers[place] = Answer::Failed(StoreError::Refused("every id is in use".to_owned()));
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
    async fn send_endings(&self, lease: &Lease, endings: &[Ending], plan: &Plan<'_>) -> Result<Vec<Said>, StoreError> {
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
        let mut values = call.run::<Vec<Value>>(&self.link).await?.into_iter();
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
            (Place::Ready(message) | Place::Until(_, message), Some(reason))
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
        Place::Until(eta, message) => Some(moved(message, Some(*eta))),
        Place::Gone | Place::Head | Place::Dead(..) => None,
    };
    let effects = ending.also.iter().filter_map(|effect| match effect {
        Effect::Enqueue(message) if other.is_fresh => Some(Record::fresh(message, now)),
        Effect::Enqueue(message) => Some(Record::first(message, now)),
        Effect::Store { .. } => None,
    });
    own.into_iter().chain(effects).collect()
}

/// The places of endings in the order in which they happen, in however many calls.
fn order(endings: &[Ending]) -> Vec<usize> {
    // Each goes before the one that was given back before it, so the first one has to come last of all.
    let (heads, others): (Vec<_>, Vec<_>) = (0..endings.len()).partition(|place| endings[*place].place == Place::Head);
    others.into_iter().chain(heads.into_iter().rev()).collect()
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
