//! Groups, and which of their members have ended.

use std::collections::HashMap;

use super::World;
use crate::clock::Timestamp;
use crate::store::{Arrival, Count, Counted, GroupInfo, NewGroup};

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    left: u32,
    failed: u32,
    members: HashMap<u32, Member>,
    /// The number of the member that completed it, if that has one.
    last: Option<u32>,
}

/// What is known of a member that has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    has_counted: bool,
    has_failed: bool,
}

impl Group {
    /// Takes in an end.
    fn count(&mut self, count: &Count) -> Counted {
        let mut once = Member::default();
        let member = count.member.map_or(&mut once, |number| self.members.entry(number).or_default());
        let has_failed = count.end.has_failed();
        self.failed = self.failed + u32::from(has_failed) - u32::from(member.has_failed);
        member.has_failed = has_failed;
        let is_new = count.end.counts() && !member.has_counted;
        member.has_counted |= is_new;
        if self.left == 0 && self.last == count.member {
            return Counted::LastAgain;
        }
        if !is_new || self.left == 0 {
            return Counted::Known;
        }
        self.left -= 1;
        if self.left > 0 {
            return Counted::Known;
        }
        self.last = count.member;
        Counted::Last
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
        let new = Group { left: *members, failed: 0, members: HashMap::new(), last: None };
        self.groups.keep(name, new, now + *ttl, now);
        true
    }

    pub(in super::super) fn group(&self, name: &str, now: Timestamp) -> Option<GroupInfo> {
        self.groups.get(name, now).map(|group| GroupInfo { left: group.left, failed: group.failed })
    }

    /// Counts a member.
    pub(in super::super) fn count(&mut self, count: &Count, now: Timestamp) -> Counted {
        let group = self.groups.renew(&count.group, now + count.ttl, now);
        group.map_or(Counted::Unknown, |group| group.count(count))
    }
}
