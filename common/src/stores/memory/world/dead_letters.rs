//! The dead letters of one queue: listed by the time of their death, found by their name, and forgotten in time, none of which
//! takes longer when there are many.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::clock::Timestamp;
use crate::store::{DEAD_LETTER_TTL, DeadLetter};

/// The dead letters of one queue.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    /// By the time of death, then by arrival.
    by_time: BTreeMap<(Timestamp, u64), DeadLetter>,
    places: HashMap<String, (Timestamp, u64)>,
    /// Those whose end is still to be made.
    unended: BTreeSet<String>,
    arrivals: u64,
}

impl DeadLetters {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.by_time.values()
    }

    /// Those whose end is still to be made.
    pub(super) fn unended(&self) -> impl Iterator<Item = &DeadLetter> {
        self.unended.iter().filter_map(|name| self.by_time.get(self.places.get(name)?))
    }

    /// The end of one is made, if it still was to be.
    pub(super) fn end(&mut self, name: &str) -> bool {
        self.unended.remove(name)
    }

    /// Adds a letter, under a name that resembles `id` where that is taken.
    pub(super) fn add(&mut self, id: &str, bytes: Vec<u8>, reason: String, now: Timestamp, is_ended: bool) {
        self.expire(now);
        self.arrivals += 1;
        let mut id = id.to_owned();
        while self.places.contains_key(&id) {
            id.push('+');
        }
        self.places.insert(id.clone(), (now, self.arrivals));
        if !is_ended {
            self.unended.insert(id.clone());
        }
        let letter = DeadLetter { id, bytes, reason: Some(reason), died: now };
        self.by_time.insert((now, self.arrivals), letter);
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.unended.remove(name);
        let place = self.places.remove(name);
        place.and_then(|place| self.by_time.remove(&place)).is_some()
    }

    /// Forgets what was kept for long enough.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some(first) = self.by_time.first_entry().filter(|first| now.since(first.key().0) >= DEAD_LETTER_TTL) {
            let id = first.remove().id;
            self.places.remove(&id);
            self.unended.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_one_id_all_have_names_and_go_in_time() {
        let mut letters = DeadLetters::default();
        for at in 0..3 {
            letters.add("a", Vec::new(), String::new(), Timestamp::from_millis(at), at == 1);
        }
        let names: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(names, ["a", "a+", "a++"]);
        assert_eq!(letters.unended().count(), 2);
        assert!(letters.end("a") && !letters.end("a") && !letters.end("a+"));
        assert!(letters.remove("a+") && !letters.remove("a+"));
        letters.expire(Timestamp::from_millis(1) + DEAD_LETTER_TTL);
        let names: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(names, ["a++"]);
        assert_eq!(letters.unended().count(), 1);
        letters.expire(Timestamp::from_millis(2) + DEAD_LETTER_TTL);
        assert_eq!(letters.unended().count(), 0);
    }
}
