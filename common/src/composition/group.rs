//! Many at once, and what comes after all of them.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::warn;

use super::pipeline::Pipeline;
use super::sent_group::SentGroup;
use crate::actor::Untyped;
use crate::broker::Broker;
use crate::call::Call;
use crate::clock::Timestamp;
use crate::error::EnqueueError;
use crate::message::{Message, MessageId, Raw, option};
use crate::store::{GROUP_TTL, NewGroup};

/// How many members are sent at once.
const CHUNK: usize = 1_000;

/// How long a group is kept after the last of its members comes due, at least: longer than any failed one waits for its next attempt.
const AFTER_ETA: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// More bytes of what comes after a group than this are worth a word: each member has all of it inside.
const MUCH: usize = 64 << 20;

/// Calls and pipelines that run independently of each other, and what is sent once all of them are done.
///
/// ```
/// use common::actor;
/// use common::composition::group;
/// # use common::{broker::Broker, error::EnqueueError};
///
/// #[actor]
/// fn resize(picture: String) {}
///
/// #[actor]
/// fn publish(album: u32) {}
///
/// # async fn example(broker: &Broker, pictures: Vec<String>) -> Result<(), EnqueueError> {
/// group(pictures.into_iter().map(resize::message)).then(publish::message(7)).send(broker).await?;
/// # Ok(())
/// # }
/// ```
///
/// A member counts in the same step as it ends, and counts once, however often it is run; what comes after the group is sent in the
/// step of the last one. A pipeline is one member, and counts with its last step. One that fails for good does not count, and a line in
/// the log says so: once it is requeued and succeeds, it does ([`count_failures`](Self::count_failures) changes that). A group of no
/// members is done as soon as it is sent.
///
/// It becomes messages when it is first sent. Sending it again sends the same ones, so this is the way to repeat what had an unknown
/// outcome: whoever has ended meanwhile runs again, and does not count again.
///
/// # Python
///
/// Members may run in either language: both count in dramatiq's counter, and a group of Python's is counted here. Python knows
/// nothing of members, though: one that *Python's* workers end twice, since one of them died in the middle, counts twice, so that the
/// group may be done one member early. Once a worker of this library has ended the last member, what comes after the group is never
/// sent again; where one of Python's did, a member that is run once more here sends it once more.
///
/// # Source
///
/// dramatiq 2.2, `group`: the same on the wire. Differs: see [`middleware`](crate::middleware), and a group of no members is allowed.
pub struct Group<A = Untyped> {
    members: Vec<Pipeline<A>>,
    then: Vec<Call>,
    delay: Option<Duration>,
    counts_failures: bool,
    is_tracked: bool,
    id: MessageId,
    /// When it was first sent.
    sent: OnceLock<Timestamp>,
}

/// What can be a member of a group: a call, or a pipeline.
pub trait Member {
    /// The actor that has its result.
    type Actor;

    /// As a pipeline, perhaps of one step.
    fn into_pipeline(self) -> Pipeline<Self::Actor>;
}

impl<A> Member for Call<A> {
    type Actor = A;

    fn into_pipeline(self) -> Pipeline<A> {
        Pipeline::new(self)
    }
}

impl<A> Member for Pipeline<A> {
    type Actor = A;

    fn into_pipeline(self) -> Pipeline<A> {
        self
    }
}

/// A group of these calls or pipelines. Those of several actors go into one as [`Call::untyped`].
pub fn group<M: Member>(members: impl IntoIterator<Item = M>) -> Group<M::Actor> {
    Group {
        members: members.into_iter().map(Member::into_pipeline).collect(),
        then: Vec::new(),
        delay: None,
        counts_failures: false,
        is_tracked: false,
        id: MessageId::random(),
        sent: OnceLock::new(),
    }
}

/// The [tracked](Group::tracked) group of an actor's own `batch`; `#[actor]` emits this.
#[doc(hidden)]
pub fn batch<A>(calls: impl IntoIterator<Item = Call<A>>) -> Group<A> {
    group(calls).tracked()
}

impl<A> Group<A> {
    /// Sends this as well, once all members are done.
    #[must_use]
    pub fn then<B>(mut self, call: Call<B>) -> Self {
        self.then.push(call.untyped());
        self
    }

    /// Lets each member wait so long, from when the group is first sent, or longer where it has a delay of its own.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Counts members that have failed for good as well. (Only this library does; where Python's worker ends such a one, it does not
    /// count.)
    #[must_use]
    pub fn count_failures(mut self) -> Self {
        self.counts_failures = true;
        self
    }

    /// Counts members although nothing comes after the group, for [`SentGroup::progress`]. One that has something to
    /// come is counted anyway.
    #[must_use]
    pub fn tracked(mut self) -> Self {
        self.is_tracked = true;
        self
    }

    /// How many members there are.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Sends it: its members in their order, a thousand at a time.
    ///
    /// # Errors
    ///
    /// Some of its members may be stored then; sending the same group again is safe.
    pub async fn send(&self, broker: &Broker) -> Result<SentGroup<A>, EnqueueError> {
        let plan = self.plan(broker)?;
        if let Some(group) = &plan.group {
            broker.open_group(group).await?;
        }
        let mut sent = Vec::with_capacity(self.members.len());
        for from in plan.chunks() {
            let messages = plan.messages(self, from, &mut sent)?;
            broker.enqueue(messages).await?;
        }
        Ok(SentGroup::new(broker, sent, plan.group.map(|group| group.name), self.counts_failures))
    }

    /// Sends it, from a thread that may wait: a plain `main`, a sync actor.
    ///
    /// # Errors
    ///
    /// As [`Group::send`].
    pub fn send_blocking(&self, broker: &Broker) -> Result<SentGroup<A>, EnqueueError> {
        let plan = self.plan(broker)?;
        if let Some(group) = &plan.group {
            broker.open_group_blocking(group)?;
        }
        let mut sent = Vec::with_capacity(self.members.len());
        for from in plan.chunks() {
            let messages = plan.messages(self, from, &mut sent)?;
            broker.enqueue_blocking(messages)?;
        }
        Ok(SentGroup::new(broker, sent, plan.group.map(|group| group.name), self.counts_failures))
    }

    /// What sending it takes. Nothing is sent before everything is known to have a form.
    fn plan(&self, broker: &Broker) -> Result<Plan, EnqueueError> {
        let now = *self.sent.get_or_init(|| broker.clock().now());
        let then: Vec<Message> = self.then.iter().map(|call| call.message(now)).collect::<Result<_, _>>()?;
        let members = self.members.len();
        if members == 0 {
            return Ok(Plan { now, members, group: None, callbacks: None, then });
        }
        let mut last_due = now;
        for member in &self.members {
            let first = member.first_due(now)?;
            last_due = first.map_or(last_due, |due| last_due.max(due));
        }
        let waits = self.delay.unwrap_or_default().max(last_due.since(now));
        let group = (self.is_tracked || !then.is_empty()).then(|| NewGroup {
            name: format!("{}:@group:{}", broker.namespace(), self.id),
            members: u32::try_from(members).unwrap_or(u32::MAX),
            ttl: GROUP_TTL.max(waits.saturating_add(AFTER_ETA)),
        });
        let callbacks = (!then.is_empty()).then(|| Raw::array(then.iter().map(Message::to_raw)));
        let copies = callbacks.as_ref().map_or(0, |callbacks| callbacks.as_str().len()).saturating_mul(members);
        if copies > MUCH {
            warn!(
                target: "common::composition",
                "each of the {members} members of this group has what comes after it inside, {} MiB in all; send less with that",
                copies >> 20
            );
        }
        Ok(Plan { now, members, group, callbacks, then: Vec::new() })
    }
}

/// What sending a group takes.
struct Plan {
    now: Timestamp,
    members: usize,
    group: Option<NewGroup>,
    /// What comes after it, as each member has it.
    callbacks: Option<Raw>,
    /// What is sent at once, since there are no members.
    then: Vec<Message>,
}

impl Plan {
    /// Where each of the batches begins that are sent.
    fn chunks(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.members.max(usize::from(!self.then.is_empty()))).step_by(CHUNK)
    }

    /// The messages of a batch; whose result is a member's is added to `sent`.
    fn messages<A>(
        &self,
        group: &Group<A>,
        from: usize,
        sent: &mut Vec<Message>,
    ) -> Result<Vec<Message>, EnqueueError> {
        let mut messages = self.then.clone();
        for (number, member) in (from..).zip(group.members.iter().skip(from).take(CHUNK)) {
            let options = self.options(group, number);
            let steps = member.messages_with(self.now, group.delay, &options)?;
            sent.extend(steps.last().map(|last| as_kept(last, &options, sent.last())));
            messages.extend(steps.into_iter().next());
        }
        Ok(messages)
    }

    /// What makes a message a member.
    fn options<A>(&self, group: &Group<A>, number: usize) -> Vec<(&'static str, Raw)> {
        let Some(NewGroup { name, .. }) = &self.group else { return Vec::new() };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut options = vec![(option::GROUP_COMPLETION_UUID, Raw::from(name.as_str()))];
        options.extend(self.callbacks.clone().map(|callbacks| (option::GROUP_COMPLETION_CALLBACKS, callbacks)));
        options.push((option::GROUP_MEMBER, Raw::from(number)));
        if group.counts_failures {
            options.push((option::GROUP_COUNT_FAILURES, Raw::TRUE));
        }
        options
    }
}

/// A member's message as its sender keeps it: without what makes it a member, which may be large and is known of all of them, and small,
/// since there may be very many.
fn as_kept(message: &Message, membership: &[(&str, Raw)], before: Option<&Message>) -> Message {
    let mut kept = message.clone();
    for (name, _) in membership {
        kept.options.remove(name);
    }
    // A copy has no room to spare.
    kept.options = kept.options.clone();
    if let Some(before) = before {
        kept.share_names(before);
    }
    kept
}

impl<A> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("members", &self.members.len())
            .field("then", &self.then)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}
