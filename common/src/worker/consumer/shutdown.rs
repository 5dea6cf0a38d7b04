//! The worker's end: nothing more is fetched, everything is requeued.
//!
//! Its last calls store the ends of what ran, requeue what did not start, and deregister. How long it waits for them:
//!
//! | what is left | and the store | then |
//! | --- | --- | --- |
//! | ends of runs | is slow, silent or away | it tries until the shutdown timeout is over, and says so: without them these run twice |
//! | ends of runs | refuses just these | it leaves: waiting does not change that |
//! | ends of runs | is there, and that of their results or groups is away | as where the store is away |
//! | what did not start | is slow | it waits for the answer, as long as a call may take |
//! | what did not start | is away, or silent for that long | it leaves: others find it dead, and these have not run |
//! | nothing but deregistering | is slow | it waits for the answer, as long as a call may take |
//! | nothing but deregistering | is away | it leaves: nobody misses it |
//!
//! Told to stop at once, before or while it deregisters, it gives its last calls a moment, whatever is left.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;
use tracing::{info, warn};

use super::outage::Call;
use super::{Consumer, Reaction};
use crate::clock::{Clock, Stopwatch};
use crate::store::{Completion, Disposition};
use crate::worker::stop::{Shutdown, Stage, Stopper};

/// How long the last calls of a worker may take that was told to stop at once; another one says after so long that it waits.
const MOMENT: Duration = Duration::from_millis(900);

impl Consumer {
    pub(super) fn stop(&mut self, stage: Stage) {
        if stage <= self.stage {
            return;
        }
        self.stage = stage;
        self.stopping = Some(Stopwatch::start());
        self.stop_waiting();
        self.local_queue.close();
        if stage == Stage::Forced {
            if self.local_queue.abandon() > 0 {
                self.end = Shutdown::Forced;
            }
            self.after(MOMENT, |consumer| consumer.gave_up = true);
            return;
        }
        let running = self.local_queue.busy();
        if running > 0 {
            info!(target: "common::worker", "shutting down: waiting for running messages ({running})");
        }
        // After that line: what they say about it comes behind it.
        self.local_queue.tell_of_stop();
        let (clock, timeout) = (self.broker.clock().clone(), self.limits.shutdown_timeout);
        self.once(async move { clock.sleep(timeout).await }, Self::timed_out);
    }

    fn timed_out(&mut self) {
        let running = self.local_queue.running();
        warn!(target: "common::worker", "the shutdown timeout is over: requeueing what still runs ({running})");
        self.stop(Stage::Forced);
    }

    /// Once nothing runs any more, the last calls may take what is left of the shutdown timeout.
    pub(super) fn limit_last_calls(&mut self) {
        if self.stage == Stage::Running || self.is_hurrying || self.is_running() {
            return;
        }
        self.is_hurrying = true;
        self.after(MOMENT, Self::say_what_is_left);
        self.after(self.patience(), |consumer| consumer.gave_up = true);
    }

    /// How long the last calls may take from now on.
    fn patience(&self) -> Duration {
        let passed = self.stopping.map_or(Duration::ZERO, Stopwatch::elapsed);
        if self.stage == Stage::Forced {
            MOMENT.saturating_sub(passed)
        } else {
            self.limits.shutdown_timeout.saturating_sub(passed).max(MOMENT)
        }
    }

    /// Real time, whatever the broker's clock says: somebody waits for this process to end.
    pub(super) fn after(&mut self, time: Duration, then: impl FnOnce(&mut Self) + Send + 'static) {
        self.once(async move { Clock::system().sleep(time).await }, then);
    }

    /// Async actors cannot run any more. What they ran goes back by itself, as their tasks are dropped.
    pub(super) fn lose_runtime(&mut self) {
        if std::mem::replace(&mut self.is_without_runtime, true) {
            return;
        }
        warn!(target: "common::worker", "the runtime that async actors run on has ended: what ran there is requeued, and this worker stops");
        self.stop(Stage::Stopping);
    }

    /// Says what a stop waits for, once.
    fn say_what_is_left(&mut self) {
        let refused = self.refused.iter().filter(|_| self.outage.is_refused_for_now(Call::Completion));
        let unfinished = self.unfinished.iter().chain(refused).map(|ended| &ended.completion);
        let is_end = |completion: &&Completion| completion.disposition != Disposition::Release;
        let ends = self.sent.iter().chain(unfinished).filter(is_end).count();
        if ends > 0 && self.stage < Stage::Forced {
            let (patience, s) = (self.patience().as_secs_f64().ceil(), if ends == 1 { "" } else { "s" });
            warn!(
                target: "common::worker",
                "stopping: the broker has not taken the end{s} of {ends} run{s} yet; waiting up to {patience} s for it; \
                 told to stop once more, this worker leaves, and what ended so runs again"
            );
        }
    }

    /// Whether something may still come that lay behind all that goes back: pushed to the head later, it would lie before it.
    pub(super) fn is_last_fetch_under_way(&self) -> bool {
        self.stage == Stage::Stopping && self.fetching
    }

    /// Whether anything runs that is waited for.
    fn is_running(&self) -> bool {
        // A run that has lost its claim may still clean up, until nobody wants to wait any more.
        let waits_for_all = self.stage < Stage::Forced;
        if waits_for_all { self.local_queue.busy() > 0 } else { self.local_queue.running() > 0 }
    }

    /// Whether all is requeued and stored, or cannot be.
    pub(super) fn is_over(&mut self) -> bool {
        if self.stage == Stage::Running || self.is_running() {
            return false;
        }
        let is_calling = self.fetching || self.finishing || self.is_condemning();
        let is_left =
            self.finishing || !self.unfinished.is_empty() || !self.refused.is_empty() || !self.local_queue.is_quiet();
        if !is_calling && !is_left {
            return true;
        }
        // What is left comes back to others as soon as the store does.
        let is_only_refused = !self.refused.is_empty() && self.unfinished.is_empty() && self.local_queue.is_quiet();
        let waits = self.outage.is_refused_for_now(Call::Completion) && self.stage < Stage::Forced;
        let is_refused = is_only_refused && !waits;
        let is_away = self.stage == Stage::Forced && self.outage.is_pausing(Call::Finish);
        self.gave_up |= !is_calling && (is_refused || is_away);
        if self.gave_up && is_left {
            self.end = Shutdown::Unreachable;
        }
        self.gave_up
    }

    /// Signs off. If the store is away, others find this worker dead, and get back what it held.
    pub(super) async fn deregister(&self, stopper: &Stopper) {
        let problem = if self.gave_up || self.outage.is_on() {
            "the broker does not answer".to_owned()
        } else {
            let (store, registration) = (self.broker.store().clone(), self.registration.clone());
            let forgetting = self.forget_long_runs();
            let deregistering = tokio::spawn(async move {
                let left = store.deregister(&registration).await;
                forgetting.await;
                left
            });
            let patience = self.patience();
            let told_at_once = async {
                stopper.beyond(Stage::Stopping).await;
                Clock::system().sleep(MOMENT).await;
            };
            tokio::select! {
                left = timeout(patience, deregistering) => match left {
                    Ok(Ok(Ok(()))) => return,
                    Ok(Ok(Err(error))) => error.to_string(),
                    Ok(Err(panic)) => panic.to_string(),
                    Err(_) => format!("no answer within {patience:?}"),
                },
                () = told_at_once => {
                    warn!(target: "common::worker", "deregistering takes long and is not waited for, as told; no claims are left");
                    return;
                }
            }
        };
        warn!(target: "common::worker", "could not deregister: {problem}");
    }
}

/// Tells the loop how far the worker's end has come.
pub(super) async fn listen(stopper: Stopper, reactions: UnboundedSender<Reaction>) {
    let mut stage = Stage::Running;
    while stage < Stage::Forced {
        stage = stopper.beyond(stage).await;
        // The I/O thread is gone once the worker has ended; nobody needs to know then.
        let _ = reactions.send(Box::new(move |consumer| consumer.stop(stage)));
    }
}
