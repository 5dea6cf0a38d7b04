//! Runs that outlast a beat: their worker tells since when they run, for whoever looks for a message.

use std::time::Duration;

use super::Consumer;
use crate::broker::long_runs::{self, LongRun};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::StoreError;
use crate::store::BEAT_INTERVAL;

/// How long what was told is left as it is.
const TOLD_AGAIN: Duration = Duration::from_secs(20);

/// What a worker has told of them.
#[derive(Debug, Default)]
pub(super) struct ToldRuns {
    /// Which delivery each of them is.
    runs: Vec<(u64, LongRun)>,
    /// When that was; nothing where it did not arrive.
    told: Option<Stopwatch>,
    is_telling: bool,
}

impl Consumer {
    /// Tells of long runs, if there are others than it told of, or that was long ago.
    pub(super) fn tell_of_long_runs(&mut self) {
        let now = self.broker.clock().now();
        let told = &self.told_runs;
        if told.is_telling {
            return;
        }
        let mut runs = self.local_queue.long_runs(BEAT_INTERVAL);
        runs.sort_unstable_by_key(|(arrival, ..)| *arrival);
        runs.truncate(long_runs::LIMIT);
        let known = |arrival| told.runs.iter().find(|(known, _)| *known == arrival);
        let runs = runs.into_iter().map(|(arrival, claim, lasts)| {
            let since = || Timestamp::EPOCH + now.since(Timestamp::EPOCH).saturating_sub(lasts);
            known(arrival).cloned().unwrap_or_else(|| (arrival, LongRun { claim, since: since() }))
        });
        let runs: Vec<_> = runs.collect();
        let is_recent = match told.told {
            Some(told) => runs.is_empty() || told.elapsed() < TOLD_AGAIN,
            None => runs.is_empty() && told.runs.is_empty(),
        };
        if runs == told.runs && is_recent {
            return;
        }
        self.told_runs = ToldRuns { runs, told: Some(Stopwatch::start()), is_telling: true };
        let telling = self.telling(&self.told_runs.runs);
        self.call(telling, |consumer, told| {
            consumer.told_runs.is_telling = false;
            if let Err(error) = told {
                consumer.told_runs.told = None;
                tracing::debug!(target: "common::worker", "cannot tell of runs that take long: {error}");
            }
        });
    }

    /// Forgets them, as their worker leaves. Where that fails, they are forgotten in a while.
    pub(super) fn forget_long_runs(&self) -> impl Future<Output = ()> + Send + 'static {
        let forgetting = (!self.told_runs.runs.is_empty()).then(|| self.telling(&[]));
        async move {
            if let Some(forgetting) = forgetting {
                let _: Result<(), StoreError> = forgetting.await;
            }
        }
    }

    fn telling(&self, runs: &[(u64, LongRun)]) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let runs: Vec<_> = runs.iter().map(|(_, run)| run.clone()).collect();
        let (store, namespace) = (self.broker.store().clone(), self.broker.namespace());
        let worker = self.registration.worker.as_str();
        let report = long_runs::report(namespace, worker, &runs);
        async move {
            if runs.is_empty() {
                return store.forget(&[report.key]).await.map(|_| ());
            }
            store.keep(&[report]).await.into_iter().collect()
        }
    }
}
