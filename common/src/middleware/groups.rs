//! Counts the members of groups as they end, and sends what comes after a group.
//!
//! A member says which group it is of, and what comes after that, whole; so whoever ends the last one knows what to send. It counts in
//! the same step as it ends, and what comes after the group is sent in the step of the last one: nothing between two commands can lose
//! a count, or count what had no effect. Only where groups are counted [at another URL](crate::broker::BrokerBuilder::groups_at), the
//! count comes before that step, and what comes after a group is sent at least once.
//!
//! | option of a member | meaning |
//! | --- | --- |
//! | `group_completion_uuid` | the group: the name of its counter |
//! | `group_completion_callbacks` | a list of messages: what is sent once all members are done |
//! | `group_member` | which one it is, from 0; one that ends twice counts once. Only groups of this library have that |
//! | `group_count_failures` | whether it counts as well when it has failed for good. Only groups of this library have that |
//!
//! # Source
//!
//! dramatiq 2.2, `GroupCallbacks`: the same options and the same counter, so members of one group may run in either language. Differs:
//! there, a worker that dies between the end of a member and its count leaves the group open for ever, a member that ends twice counts
//! twice, and a group whose counter has expired is complete with each of its members. A member that Python ends twice still counts
//! twice.

use tracing::warn;

use super::End;
use crate::clock::Timestamp;
use crate::message::{Membership, Message};
use crate::outcome::{Failure, bounded};
use crate::store::{Completion, Count, Disposition, Effect, GROUP_TTL, MemberEnd};

/// Why a message must not be run: nothing could come after its group.
pub(crate) fn refusal(message: &Message, now: Timestamp) -> Option<String> {
    let cause = Membership::of(message)?.then(now).err()?;
    Some(bounded(format_args!("what comes after its group (`group_completion_callbacks`) cannot be sent: {cause}")))
}

/// Counts a member that has ended.
///
/// # Errors
///
/// What comes after its group is no message any more: a hook has changed it.
pub(crate) fn add(end: &End<'_>, completion: &mut Completion) -> Result<(), Failure> {
    let Some(message) = end.message else { return Ok(()) };
    let Some(member) = Membership::of(message) else { return Ok(()) };
    let ends = match &completion.disposition {
        Disposition::Ack => MemberEnd::Done,
        Disposition::DeadLetter(..) | Disposition::StaysDead => MemberEnd::Failed { counts: member.counts_failures },
        Disposition::Requeue(_) | Disposition::Retry(..) | Disposition::Defer(..) | Disposition::Release => {
            return Ok(());
        }
    };
    if !ends.counts() {
        let (id, group) = (&message.message_id, &member.group);
        warn!(
            target: "common::run",
            "its group {group} stays open: what has failed does not count; once its cause is mended, `dead requeue {id}` runs it again"
        );
        if member.number.is_none() {
            return Ok(());
        }
    }
    let then = match member.then(end.now) {
        Ok(then) => then,
        // It has failed because of that, perhaps.
        Err(_) if ends.has_failed() => Vec::new(),
        Err(cause) => {
            return Err(Failure {
                text: bounded(format_args!("what comes after its group cannot be sent: {cause}")),
                kind: "group".to_owned(),
                is_final: true,
                ..Failure::default()
            });
        }
    };
    completion.effects.push(Effect::Count(Count {
        group: member.group,
        member: member.number,
        end: ends,
        ttl: GROUP_TTL,
        then,
    }));
    Ok(())
}
