//! Fetches that are limited over all queues together: how these may share that.

use super::{Place, Places, Wrong};
use common::store::{Delivery, Want};

impl Places {
    /// Whether something is cancelled of what is ready there.
    #[must_use]
    pub fn has_cancelled(&self, wants: &[Want]) -> bool {
        let is_ready = |place: &Place| matches!(place, Place::Ready { .. });
        let mut cancelled = self.items.iter().filter(|item| item.cancelled.is_some() && is_ready(&item.place));
        cancelled.any(|item| wants.iter().any(|want| want.queue == item.queue))
    }

    /// How many of each queue a fetch may bring: as many as there are, or as the limit permits; and of each its share, where it
    /// has as much. Without a limit, what is wanted.
    #[must_use]
    pub fn shares(&self, wants: &[Want], limit: usize) -> Vec<Vec<Want>> {
        if limit == usize::MAX {
            return vec![wants.to_vec()];
        }
        let there: Vec<usize> = wants.iter().map(|want| want.count.min(self.waiting(want))).collect();
        let (total, share) = (limit.min(there.iter().sum()), limit / wants.len().max(1));
        let mut ways = vec![Vec::new()];
        for there in there {
            let longer = |way: Vec<usize>| (there.min(share)..=there).map(move |count| [&way[..], &[count]].concat());
            ways = ways.into_iter().flat_map(longer).collect();
        }
        ways.retain(|way| way.iter().sum::<usize>() == total);
        let named = |way: Vec<usize>| {
            let counts = wants.iter().zip(way);
            counts.map(|(want, count)| Want { queue: want.queue.clone(), count }).collect()
        };
        ways.into_iter().map(named).collect()
    }

    /// The way in which a fetch was shared that brought this.
    pub(super) fn shared(&self, wants: &[Want], limit: usize, told: &[Delivery]) -> Result<Vec<Want>, Wrong> {
        let ways = self.shares(wants, limit);
        if limit == usize::MAX {
            return Ok(wants.to_vec());
        }
        let brought = |want: &Want| told.iter().filter(|told| told.claim.queue == want.queue).count();
        let is_it = |way: &&Vec<Want>| way.iter().all(|want| want.count == brought(want));
        ways.iter().find(is_it).cloned().ok_or_else(|| {
            let brought: Vec<_> = wants.iter().map(brought).collect();
            let may: Vec<Vec<usize>> = ways.iter().map(|way| way.iter().map(|want| want.count).collect()).collect();
            Wrong(format!(
                "a fetch of {limit} at most brought {brought:?} of the queues, and should have brought one of {may:?}"
            ))
        })
    }

    /// How many are ready of what is wanted.
    fn waiting(&self, want: &Want) -> usize {
        let ready =
            self.items.iter().filter(|item| item.queue == want.queue && matches!(item.place, Place::Ready { .. }));
        if self.paused.contains(&want.queue) { 0 } else { ready.count() }
    }
}
