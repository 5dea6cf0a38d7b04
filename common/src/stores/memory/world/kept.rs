//! Values that are kept until a time. To add one takes no longer when there are many.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;

/// Values by key, and until when.
#[derive(Debug, Default)]
pub(super) struct Kept {
    values: HashMap<Arc<str>, (Vec<u8>, Timestamp)>,
    ends: BTreeSet<(Timestamp, Arc<str>)>,
}

impl Kept {
    /// Keeps a value, in place of what was there.
    pub(super) fn keep(&mut self, key: &str, value: Vec<u8>, until: Timestamp, now: Timestamp) {
        self.expire(now);
        let key: Arc<str> = key.into();
        if let Some((_, old)) = self.values.insert(key.clone(), (value, until)) {
            self.ends.remove(&(old, key.clone()));
        }
        self.ends.insert((until, key));
    }

    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<&[u8]> {
        let (value, until) = self.values.get(key)?;
        (*until > now).then_some(value.as_slice())
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
        kept.keep("a", vec![1], at(10), at(0));
        kept.keep("a", vec![2], at(30), at(5));
        kept.keep("b", vec![3], at(20), at(5));
        assert_eq!(kept.get("a", at(15)), Some(&[2][..]));
        assert_eq!(kept.get("b", at(20)), None);
        kept.keep("c", vec![4], at(40), at(29));
        assert_eq!(kept.get("a", at(29)), Some(&[2][..]));
        assert_eq!(kept.values.len(), 2, "what has expired takes no room");
        kept.keep("d", vec![5], at(60), at(50));
        assert_eq!((kept.values.len(), kept.ends.len()), (1, 1));
    }
}
