//! Telling observers what the store has taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use super::Consumer;
use crate::observe::{Observer, Report, ReportQueue, Settled};

/// How long a worker that has ended waits for observers to hear of what ended last.
const PATIENCE: Duration = Duration::from_secs(2);

/// What tells them, if there are any.
pub(super) fn report_queue(observers: &[Arc<dyn Observer>]) -> Option<ReportQueue> {
    if observers.is_empty() {
        return None;
    }
    match ReportQueue::start(observers.to_vec()) {
        Ok(queue) => Some(queue),
        Err(cause) => {
            warn!(target: "common::worker", "no thread for observers: {cause}; they hear of nothing");
            None
        }
    }
}

impl Consumer {
    /// Observers are to hear of this; with another outcome in the store than was meant, if there is one.
    pub(super) fn observe(&mut self, report: Option<Box<Report>>, settled: Option<Settled>) {
        let Some(mut report) = report else { return };
        if let Some(settled) = settled {
            report.settled = settled;
        }
        self.reports.push(report);
    }

    /// Tells them, a batch at a time.
    pub(super) fn send_reports(&mut self) {
        let Some(queue) = &self.report_queue else { return };
        self.reports.append(&mut self.local_queue.take_lost());
        queue.add(std::mem::take(&mut self.reports));
    }

    /// Lets them hear the last of it.
    pub(super) async fn close_reports(&mut self) {
        self.send_reports();
        let Some(queue) = self.report_queue.take() else { return };
        if timeout(PATIENCE, queue.close()).await.is_err() {
            warn!(target: "common::worker", "observers are slow: this worker has ended before they had heard of all ends");
        }
    }
}
