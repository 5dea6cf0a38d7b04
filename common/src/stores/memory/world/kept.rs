//! Values that are kept until a time. To add one takes no longer when there are many.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;

/// Values by key, and until when.
#[derive(Debug)]
pub(super) struct Kept<T> {
    values: HashMap<Arc<str>, (T, Timestamp)>,
    ends: BTreeSet<(Timestamp, Arc<str>)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), ends: BTreeSet::new() }
    }
}

impl<T> Kept<T> {
    /// Keeps a value, in place of what was there.
    pub(super) fn keep(&mut self, key: &str, value: T, until: Timestamp, now: Timestamp) {
        self.expire(now);
        let key: Arc<str> = key.into();
        if let Some((_, old)) = self.values.insert(key.clone(), (value, until)) {
            self.ends.remove(&(old, key.clone()));
        }
        self.ends.insert((until, key));
    }

    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<&T> {
        let (value, until) = self.values.get(key)?;
        (*until > now).then_some(value)
    }

    /// The same, to be changed, and kept until this time at least.
    pub(super) fn renew(&mut self, key: &str, until: Timestamp, now: Timestamp) -> Option<&mut T> {
        let (key, (_, old)) = self.values.get_key_value(key)?;
        let (key, old) = (key.clone(), *old);
        if old <= now {
            return None;
        }
        if until > old {
            self.ends.remove(&(old, key.clone()));
            self.ends.insert((until, key.clone()));
        }
        let (value, end) = self.values.get_mut(&key)?;
        *end = until.max(old);
        Some(value)
    }

    /// Forgets a value. Tells whether there was one.
    pub(super) fn remove(&mut self, key: &str, now: Timestamp) -> bool {
        let Some((key, (_, until))) = self.values.remove_entry(key) else { return false };
        self.ends.remove(&(until, key));
        until > now
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((until, _)) = self.ends.first()
            && *until <= now
            && let Some((_, key)) = self.ends.pop_first()
        {
            self.values.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_kept_anew_lasts_as_long_as_the_new_one() {
        let at = Timestamp::from_millis;
        let mut kept = Kept::default();
        kept.keep("a", 1, at(10), at(0));
        kept.keep("a", 2, at(30), at(5));
        kept.keep("b", 3, at(20), at(5));
        assert_eq!(kept.get("a", at(15)), Some(&2));
        assert_eq!(kept.get("b", at(20)), None);
        kept.keep("c", 4, at(40), at(29));
        assert_eq!(kept.get("a", at(29)), Some(&2));
        assert_eq!(kept.values.len(), 2, "what has expired takes no room");
        kept.keep("d", 5, at(60), at(50));
        assert_eq!((kept.values.len(), kept.ends.len()), (1, 1));
    }

    #[test]
    fn what_is_renewed_never_ends_earlier() {
        let at = Timestamp::from_millis;
        let mut kept = Kept::default();
        kept.keep("a", 1, at(10), at(0));
        *kept.renew("a", at(30), at(5)).expect("it is there") += 1;
        *kept.renew("a", at(20), at(5)).expect("it is there") += 1;
        assert_eq!((kept.get("a", at(29)), kept.get("a", at(30))), (Some(&3), None));
        assert_eq!(kept.renew("a", at(50), at(30)), None, "what has ended does not come back");
        assert_eq!((kept.values.len(), kept.ends.len()), (1, 1));
    }
}
