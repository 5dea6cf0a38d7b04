//! Fetches that are limited over all queues together: how these may share that.

use super::{Place, Places, Wrong};
use common::store::{Delivery, FetchRequest};

impl Places {
    /// Whether something is cancelled of what is ready there.
    #[must_use]
    pub fn has_cancelled(&self, requests: &[FetchRequest]) -> bool {
        let is_ready = |place: &Place| matches!(place, Place::Ready { .. });
        let mut cancelled = self.items.iter().filter(|item| item.cancelled.is_some() && is_ready(&item.place));
        cancelled.any(|item| requests.iter().any(|want| want.queue == item.queue))
    }

    /// How many of each queue a fetch may bring: as many as there are, or as the limit permits; and of each its share, where it
    /// has as much. Without a limit, what is wanted.
    #[must_use]
    pub fn shares(&self, requests: &[FetchRequest], limit: usize) -> Vec<Vec<FetchRequest>> {
        if limit == usize::MAX {
            return vec![requests.to_vec()];
        }
        let there: Vec<usize> = requests.iter().map(|want| want.count.min(self.waiting(want))).collect();
        let (total, share) = (limit.min(there.iter().sum()), limit / requests.len().max(1));
        let mut ways = vec![Vec::new()];
        for there in there {
            let longer = |way: Vec<usize>| (there.min(share)..=there).map(move |count| [&way[..], &[count]].concat());
            ways = ways.into_iter().flat_map(longer).collect();
        }
        ways.retain(|way| way.iter().sum::<usize>() == total);
        let named = |way: Vec<usize>| {
            let counts = requests.iter().zip(way);
            counts.map(|(want, count)| FetchRequest { queue: want.queue.clone(), count, before: None }).collect()
        };
        ways.into_iter().map(named).collect()
    }

    /// The way in which a fetch was shared that brought this.
    pub(super) fn shared(
        &self,
        requests: &[FetchRequest],
        limit: usize,
        told: &[Delivery],
    ) -> Result<Vec<FetchRequest>, Wrong> {
        let ways = self.shares(requests, limit);
        if limit == usize::MAX {
            return Ok(requests.to_vec());
        }
        let brought = |want: &FetchRequest| told.iter().filter(|told| told.claim.queue == want.queue).count();
        let is_it = |way: &&Vec<FetchRequest>| way.iter().all(|want| want.count == brought(want));
        ways.iter().find(is_it).cloned().ok_or_else(|| {
            let brought: Vec<_> = requests.iter().map(brought).collect();
            let may: Vec<Vec<usize>> = ways.iter().map(|way| way.iter().map(|want| want.count).collect()).collect();
            Wrong(format!(
                "a fetch of {limit} at most brought {brought:?} of the queues, and should have brought one of {may:?}"
            ))
        })
    }

    /// How many are ready of what is wanted.
    fn waiting(&self, want: &FetchRequest) -> usize {
        let ready =
            self.items.iter().filter(|item| item.queue == want.queue && matches!(item.place, Place::Ready { .. }));
        if self.paused.contains(&want.queue) { 0 } else { ready.count() }
    }
}
