//! Groups, and which of their members have ended.

use super::{Move, Places, Wrong, differ};
use common::store::{Count, GroupInfo, MemberEnd};
use std::collections::BTreeSet;

/// A group that was opened.
#[derive(Clone, Debug)]
pub struct Group {
    /// How many members have to count until it is complete.
    left: u32,
    /// Which have counted, and which have failed, by their numbers.
    counted: BTreeSet<u32>,
    failed: BTreeSet<u32>,
}

impl Places {
    /// A group of so many members was opened.
    pub fn open_group(&mut self, name: &str, members: u32) {
        self.groups.insert(name.to_owned(), Group { left: members, counted: BTreeSet::new(), failed: BTreeSet::new() });
    }

    /// Whether a group is still to be completed.
    #[must_use]
    pub fn is_open(&self, name: &str) -> bool {
        self.groups.get(name).is_some_and(|group| group.left > 0)
    }

    /// Counts a member; what comes after the group is enqueued with the last one.
    pub(super) fn count(&mut self, count: &Count, together: Option<i64>) {
        let Some(group) = self.groups.get_mut(&count.group) else { return };
        let (has_failed, counts) = match count.end {
            MemberEnd::Done => (false, true),
            MemberEnd::Failed { counts } => (true, counts),
        };
        if let Some(member) = count.member {
            if has_failed {
                group.failed.insert(member);
            } else {
                group.failed.remove(&member);
            }
        }
        let is_new = counts && count.member.is_none_or(|member| group.counted.insert(member));
        if !is_new || group.left == 0 {
            return;
        }
        group.left -= 1;
        if group.left == 0 {
            self.happened(Move::Completed, 1);
            for message in &count.then {
                let rank = together.unwrap_or_else(|| self.next_tail());
                self.enqueue_at(message, rank);
            }
        }
    }

    /// Compares how far a group is.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub fn counted_members(&self, name: &str, told: Option<GroupInfo>) -> Result<(), Wrong> {
        let known = self.groups.get(name).map(|group| (group.left, group.failed.len()));
        let told = told.map(|info| (info.left, info.failed as usize));
        differ("a group", &known, &told)
    }
}
