//! Groups, and which of their members have ended.
//!
//! The counter is dramatiq's barrier, so that both languages count one number: a string that holds how many are left. The last member
//! finds 1 there. Beside it lies what only this library knows of: a bit for each member that has counted, and one for each that has
//! failed; and, where members are counted without their claims, which one was the last.

use std::collections::HashMap;

use super::RedisStore;
use super::record::Record;
use super::scripts::Call;
use crate::error::StoreError;
use crate::store::{Completion, Count, Effect, GroupInfo, MemberEnd, NewGroup};

pub(super) async fn open(store: &RedisStore, group: &NewGroup) -> Result<bool, StoreError> {
    let mut call = store.script(&store.scripts.open_group);
    call.text(&group.name).number(group.members).duration(group.ttl);
    Ok(call.run(&store.link).await?)
}

pub(super) async fn info(store: &RedisStore, name: &str) -> Result<Option<GroupInfo>, StoreError> {
    let mut call = store.script(&store.scripts.group);
    call.text(name);
    let found: Option<(u32, u32)> = call.run(&store.link).await?;
    Ok(found.map(|(left, failed)| GroupInfo { left, failed }))
}

/// The groups of one call: their members have in common what comes after them, which is sent once.
pub(super) struct Groups<'a> {
    distinct: Vec<&'a Count>,
    /// The first of each name.
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(completions: impl Iterator<Item = &'a Completion>) -> Self {
        let mut groups = Self { distinct: Vec::new(), numbers: HashMap::new() };
        for count in completions.flat_map(counts) {
            if groups.find(count).is_none() {
                groups.distinct.push(count);
                groups.numbers.entry(&count.group).or_insert(groups.distinct.len() - 1);
            }
        }
        groups
    }

    /// The place of its group.
    fn find(&self, count: &Count) -> Option<usize> {
        let is_its = |known: &&Count| known.group == count.group && known.ttl == count.ttl && known.then == count.then;
        let first = *self.numbers.get(count.group.as_str())?;
        self.distinct.get(first..)?.iter().position(is_its).map(|place| first + place)
    }

    /// Appends them, for the counts to name.
    pub(super) fn append(&self, store: &RedisStore, call: &mut Call<'_>) {
        call.count(self.distinct.len());
        for group in &self.distinct {
            call.text(&group.group).duration(group.ttl).count(group.then.len());
            for record in group.then.iter().map(|message| Record::first(message, store.clock.now())) {
                record.put(call, &store.keys.fleet(&record.queue));
            }
        }
    }

    /// Appends what a completion counts.
    pub(super) fn append_counts(&self, call: &mut Call<'_>, completion: &Completion) {
        call.count(counts(completion).count());
        for count in counts(completion) {
            call.count(self.number(count));
            append_end(call, count);
        }
    }

    /// The number of its group in the call, from 1.
    fn number(&self, count: &Count) -> usize {
        self.find(count).map_or(0, |place| place + 1)
    }
}

/// Appends which member has ended, and how.
pub(super) fn append_end(call: &mut Call<'_>, count: &Count) {
    match count.member {
        Some(member) => call.number(member),
        None => call.text(""),
    };
    call.text(match count.end {
        MemberEnd::Done => "done",
        MemberEnd::Failed { counts: false } => "failed",
        MemberEnd::Failed { counts: true } => "over",
    });
}

fn counts(completion: &Completion) -> impl Iterator<Item = &Count> {
    completion.effects.iter().filter_map(|effect| match effect {
        Effect::Count(count) => Some(count),
        Effect::Enqueue(_) | Effect::Store { .. } => None,
    })
}
