//! Groups, and which of their members have ended.

use std::collections::HashMap;

use super::World;
use crate::clock::Timestamp;
use crate::store::{Arrival, Count, GroupInfo, NewGroup};

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    left: u32,
    failed: u32,
    members: HashMap<u32, Member>,
}

/// What is known of a member that has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    has_counted: bool,
    has_failed: bool,
}

impl Group {
    /// Takes in an end. Tells whether it completes the group.
    fn count(&mut self, count: &Count) -> bool {
        let mut once = Member::default();
        let member = count.member.map_or(&mut once, |number| self.members.entry(number).or_default());
        let has_failed = count.end.has_failed();
        self.failed = self.failed + u32::from(has_failed) - u32::from(member.has_failed);
        member.has_failed = has_failed;
        let is_new = count.end.counts() && !member.has_counted;
        member.has_counted |= is_new;
        if !is_new || self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.left == 0
    }

    /// Counts a party, where it is a barrier.
    pub(super) fn arrive(&mut self) -> Arrival {
        match self.left {
            0 => Arrival::Open,
            1 => {
                self.left = 0;
                Arrival::Last
            }
            left => {
                self.left = left - 1;
                Arrival::Waiting(left - 1)
            }
        }
    }
}

impl World {
    pub(in super::super) fn open_group(&mut self, group: &NewGroup, now: Timestamp) -> bool {
        let NewGroup { name, members, ttl } = group;
        if self.groups.get(name, now).is_some() {
            return false;
        }
        let new = Group { left: *members, failed: 0, members: HashMap::new() };
        self.groups.keep(name, new, now + *ttl, now);
        true
    }

    pub(in super::super) fn group(&self, name: &str, now: Timestamp) -> Option<GroupInfo> {
        self.groups.get(name, now).map(|group| GroupInfo { left: group.left, failed: group.failed })
    }

    /// Counts a member; with the last one, what follows is enqueued. Tells whether the group is known.
    pub(super) fn count(&mut self, count: &Count, now: Timestamp) -> bool {
        let Some(group) = self.groups.renew(&count.group, now + count.ttl, now) else { return false };
        if group.count(count) {
            for message in &count.then {
                self.enqueue(message, now);
            }
        }
        true
    }
}
