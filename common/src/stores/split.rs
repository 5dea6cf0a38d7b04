//! A store whose results, or groups, lie in another one: dramatiq's own guide has the queues in one database of a Redis, and the
//! results in another.
//!
//! No step can be one step in two places. What lies elsewhere is written first, and a message is acknowledged only once that was
//! answered: where the other store is away, its end waits for that. What this costs:
//!
//! | | in one store | in two, as here |
//! | --- | --- | --- |
//! | a message is acknowledged without its result, or its count | never | never |
//! | a result is kept, or a member counted, whose message is not acknowledged | never | where the worker dies in between, or has lost its claim: the message runs again, and its result is written anew |
//! | a member with a number counts | once | once |
//! | one without a number, as in groups of Python's, counts | once an end | once more where the worker dies in between, or no answer came |
//! | a [look](Inspect::look) at what is kept of a message, and at its place | one step | up to three calls: what is kept, the place, and what is kept once more where it is in no place. So a message that ends meanwhile is not missed, as what is kept of it is kept first |
//! | what comes after a group is sent | once | at least once: once more where the last member runs again |
//!
//! What comes after a group is enqueued in the step that acknowledges its last member. Where that worker dies before, the member runs
//! again, counts again, and is told again that it was the last one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, iter};

use crate::error::StoreError;
use crate::store::{
    Beat, Boxed, Claim, Completion, Count, Counted, Delegated, Effect, Finished, GroupInfo, Inspect, Kept, Look,
    Looked, NewGroup, Place, Registration, State, Store, delegate,
};

/// A store, and where its results and groups are instead.
///
/// [`BrokerBuilder::results_at`](crate::broker::BrokerBuilder::results_at) and
/// [`groups_at`](crate::broker::BrokerBuilder::groups_at) make one of URLs; this is for stores of your own.
#[derive(Debug)]
pub struct SplitStore {
    store: Arc<dyn Inspect>,
    results: Option<Elsewhere>,
    groups: Option<Elsewhere>,
    /// Ends of members without a number that have counted, and are not acknowledged yet: they must not count again.
    counted: Mutex<HashMap<Ending, Counted>>,
}

/// Whose end counts, and for which group.
type Ending = (Claim, String);

/// Another store, and what lies there.
#[derive(Debug)]
struct Elsewhere {
    store: Arc<dyn Inspect>,
    what: &'static str,
}

impl Elsewhere {
    /// An error that says where it comes from.
    fn error(&self, error: StoreError) -> StoreError {
        let at = |cause: String| format!("{self}: {cause}");
        match error {
            StoreError::Unreachable(cause) => StoreError::Unreachable(at(cause)),
            StoreError::Full(cause) => StoreError::Full(at(cause)),
            StoreError::Busy(cause) => StoreError::Busy(at(cause)),
            StoreError::Denied { key, command, cause } => StoreError::Denied { key, command, cause: at(cause) },
            StoreError::WrongKeyType { key, cause } => StoreError::WrongKeyType { key, cause: at(cause) },
            StoreError::Refused(cause) => StoreError::Refused(at(cause)),
            error @ (StoreError::NotRegistered | StoreError::Forked(_)) => error,
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what, self.store.address())
    }
}

/// A completion on its way.
struct Part<'a> {
    completion: &'a Completion,
    /// What happens with the acknowledgement.
    effects: Vec<Effect>,
    is_uncounted: bool,
    /// Why it is not acknowledged.
    refused: Option<StoreError>,
}

impl SplitStore {
    /// A store that has everything itself.
    #[must_use]
    pub fn new(store: Arc<dyn Inspect>) -> Self {
        Self { store, results: None, groups: None, counted: Mutex::default() }
    }

    /// The same with its results in another one.
    #[must_use]
    pub fn with_results(mut self, store: Arc<dyn Inspect>) -> Self {
        self.results = Some(Elsewhere { store, what: "results" });
        self
    }

    /// The same with the counters of its groups in another one.
    #[must_use]
    pub fn with_groups(mut self, store: Arc<dyn Inspect>) -> Self {
        self.groups = Some(Elsewhere { store, what: "groups" });
        self
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<Ending, Counted>> {
        // Nothing under this lock panics.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_elsewhere(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Store { .. } => self.results.is_some(),
            Effect::Count(_) => self.groups.is_some(),
            Effect::Enqueue(_) => false,
        }
    }

    async fn finish_apart(
        &self,
        registration: &Registration,
        completions: &[Completion],
    ) -> Result<Vec<Finished>, StoreError> {
        let part = |completion| Part { completion, effects: Vec::new(), is_uncounted: false, refused: None };
        let mut parts: Vec<_> = completions.iter().map(part).collect();
        for part in &mut parts {
            let here = part.completion.effects.iter().filter(|effect| !self.is_elsewhere(effect));
            part.effects = here.cloned().collect();
        }
        if let Some(results) = &self.results {
            keep(results, &mut parts).await;
        }
        if let Some(groups) = &self.groups {
            self.count(groups, &mut parts).await;
        }
        let here = parts.iter().filter(|part| part.refused.is_none()).map(|part| Completion {
            claim: part.completion.claim.clone(),
            disposition: part.completion.disposition.clone(),
            effects: part.effects.clone(),
        });
        let here: Vec<_> = here.collect();
        let finished = if here.is_empty() { Vec::new() } else { self.store.finish(registration, &here).await? };
        let mut finished = finished.into_iter();
        let answers = parts.into_iter().map(|part| match (part.refused, part.is_uncounted) {
            (Some(error), _) => Finished::Refused(error),
            (None, is_uncounted) => match finished.next() {
                Some(Finished::Done) if is_uncounted => Finished::Uncounted,
                Some(answer) => answer,
                None => Finished::Unanswered(missing()),
            },
        });
        let answers: Vec<_> = answers.collect();
        let is_settled = |answer: &Finished| !matches!(answer, Finished::Refused(_) | Finished::Unanswered(_));
        let settled = completions.iter().zip(&answers).filter(|(_, answer)| is_settled(answer));
        self.forget_counts(settled.map(|(completion, _)| &completion.claim));
        Ok(answers)
    }

    /// Looks for what is kept, for the place, and for what has been kept since by the end of a message that is in no place any more.
    async fn look_apart(&self, results: &Elsewhere, look: &Look) -> Result<Looked, StoreError> {
        let kept = async || results.store.stored_all(&look.keys).await.map_err(|error| results.error(error));
        let mut looked = Looked { kept: kept().await?, place: Place::Open };
        if looked.is_kept() {
            return Ok(looked);
        }
        let place = self.store.look(&Look { keys: Vec::new(), ..look.clone() }).await?.place;
        looked.place = match place {
            Place::At { name, state, .. } => {
                let told = match &state {
                    State::Claimed { worker, .. } => {
                        let told = results.store.stored(&look.told_by(worker)).await;
                        told.map_err(|error| results.error(error))?
                    }
                    _ => None,
                };
                Place::At { name, state, told }
            }
            Place::Nowhere => {
                looked.kept = kept().await?;
                if looked.is_kept() { Place::Open } else { Place::Nowhere }
            }
            Place::Open => Place::Open,
        };
        Ok(looked)
    }

    /// Counts all members of a batch with one call.
    async fn count(&self, groups: &Elsewhere, parts: &mut [Part<'_>]) {
        let (mut places, mut counts) = (Vec::new(), Vec::new());
        for (place, part) in parts.iter_mut().enumerate().filter(|(_, part)| part.refused.is_none()) {
            for effect in &part.completion.effects {
                let Effect::Count(count) = effect else { continue };
                let before = self.counted().get(&ending(part.completion, count)).copied();
                if let Some(counted) = before {
                    part.counted(counted, count);
                } else {
                    places.push((place, count));
                    counts.push(Count { then: Vec::new(), ..count.clone() });
                }
            }
        }
        if counts.is_empty() {
            return;
        }
        let answers = groups.store.count_members(&counts).await;
        for ((place, count), answer) in places.into_iter().zip(answers.into_iter().chain(iter::repeat(Err(missing()))))
        {
            let part = &mut parts[place];
            match answer {
                Ok(counted) => {
                    if count.member.is_none() {
                        self.counted().insert(ending(part.completion, count), counted);
                    }
                    part.counted(counted, count);
                }
                Err(error) => part.refused = Some(groups.error(error)),
            }
        }
    }

    /// These claims are over.
    fn forget_counts<'a>(&self, claims: impl Iterator<Item = &'a Claim>) {
        let mut counted = self.counted();
        if counted.is_empty() {
            return;
        }
        let over: HashSet<&Claim> = claims.collect();
        counted.retain(|(claim, _), _| !over.contains(claim));
    }
}

/// Where a store of somebody's own answers fewer than it was asked.
fn missing() -> StoreError {
    StoreError::Refused("an answer is missing".to_owned())
}

fn ending(completion: &Completion, count: &Count) -> Ending {
    (completion.claim.clone(), count.group.clone())
}

/// Keeps all results of a batch with one call.
async fn keep(results: &Elsewhere, parts: &mut [Part<'_>]) {
    let (mut places, mut values) = (Vec::new(), Vec::new());
    for (place, part) in parts.iter().enumerate() {
        for effect in &part.completion.effects {
            if let Effect::Store { key, value, ttl } = effect {
                places.push(place);
                values.push(Kept { key: key.clone(), value: value.clone(), ttl: *ttl });
            }
        }
    }
    if values.is_empty() {
        return;
    }
    let answers = results.store.keep(&values).await;
    for (place, answer) in places.into_iter().zip(answers.into_iter().chain(iter::repeat(Err(missing())))) {
        if let Err(error) = answer {
            parts[place].refused = Some(results.error(error));
        }
    }
}

impl Part<'_> {
    /// Takes in what became of its count.
    fn counted(&mut self, counted: Counted, count: &Count) {
        match counted {
            Counted::Unknown => self.is_uncounted = true,
            Counted::Known => {}
            Counted::Last | Counted::LastAgain => {
                self.effects.extend(count.then.iter().cloned().map(Effect::Enqueue));
            }
        }
    }
}

impl Store for SplitStore {
    delegate!(Store to self.store, except [open_group, finish, keep, count_members, beat]);

    fn open_group<'a>(&'a self, group: &'a NewGroup) -> Delegated<'a, bool> {
        let Some(groups) = &self.groups else { return self.store.open_group(group) };
        Box::pin(async move { groups.store.open_group(group).await.map_err(|error| groups.error(error)) })
    }

    fn finish<'a>(
        &'a self,
        registration: &'a Registration,
        completions: &'a [Completion],
    ) -> Delegated<'a, Vec<Finished>> {
        if completions.iter().flat_map(|completion| &completion.effects).any(|effect| self.is_elsewhere(effect)) {
            Box::pin(self.finish_apart(registration, completions))
        } else {
            self.store.finish(registration, completions)
        }
    }

    fn keep<'a>(&'a self, values: &'a [Kept]) -> Boxed<'a, Vec<Result<(), StoreError>>> {
        self.results.as_ref().map_or(&self.store, |results| &results.store).keep(values)
    }

    fn count_members<'a>(&'a self, counts: &'a [Count]) -> Boxed<'a, Vec<Result<Counted, StoreError>>> {
        self.groups.as_ref().map_or(&self.store, |groups| &groups.store).count_members(counts)
    }

    fn beat<'a>(
        &'a self,
        registration: &'a Registration,
        held: &'a [Claim],
        waiting: &'a [Claim],
    ) -> Delegated<'a, Beat> {
        Box::pin(async move {
            let beat = self.store.beat(registration, held, waiting).await?;
            self.forget_counts(beat.lost.iter());
            Ok(beat)
        })
    }
}

impl Inspect for SplitStore {
    delegate!(Inspect to self.store, except [look, stored, stored_all, forget, wait_stored, group]);

    fn look<'a>(&'a self, look: &'a Look) -> Delegated<'a, Looked> {
        let Some(results) = &self.results else { return self.store.look(look) };
        Box::pin(self.look_apart(results, look))
    }

    fn stored<'a>(&'a self, key: &'a str) -> Delegated<'a, Option<Vec<u8>>> {
        let Some(results) = &self.results else { return self.store.stored(key) };
        Box::pin(async move { results.store.stored(key).await.map_err(|error| results.error(error)) })
    }

    fn stored_all<'a>(&'a self, keys: &'a [String]) -> Delegated<'a, Vec<Option<Vec<u8>>>> {
        let Some(results) = &self.results else { return self.store.stored_all(keys) };
        Box::pin(async move { results.store.stored_all(keys).await.map_err(|error| results.error(error)) })
    }

    fn forget<'a>(&'a self, keys: &'a [String]) -> Delegated<'a, usize> {
        let Some(results) = &self.results else { return self.store.forget(keys) };
        Box::pin(async move { results.store.forget(keys).await.map_err(|error| results.error(error)) })
    }

    fn wait_stored<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        self.results.as_ref().map_or(&self.store, |results| &results.store).wait_stored(key)
    }

    fn group<'a>(&'a self, name: &'a str) -> Delegated<'a, Option<GroupInfo>> {
        let Some(groups) = &self.groups else { return self.store.group(name) };
        Box::pin(async move { groups.store.group(name).await.map_err(|error| groups.error(error)) })
    }
}
