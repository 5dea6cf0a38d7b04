//! Waiting for what goes before the messages that a worker has fetched already.
//!
//! The first priority of each queue is looked at once, and again when the server tells that something has changed among what is held by
//! priority. Where nobody uses priorities, nothing ever does.

use std::sync::atomic::Ordering;

use redis::Value;

use super::known::first_score;
use super::{Changed, POLL, Subscription, changed, lost_for_a_while, pause};
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::stores::redis::RedisStore;
use crate::stores::redis::error::refusal;
use crate::stores::redis::line::silence;

/// What `places.lua` calls a band.
const BAND: f64 = 1_099_511_627_776.0;

/// The priority that a score belongs to.
fn priority(score: f64) -> f64 {
    (score / BAND + 0.5).floor()
}

/// Waits until something is ready that goes before this priority. Cancel safe.
pub(in crate::stores::redis) async fn for_priority(store: &RedisStore, queues: &[QueueName], before: i32) {
    if let Err(error) = store.listen_ahead(queues, before).await {
        tracing::debug!(target: "common::broker", "cannot listen for priorities: {error}");
        lost_for_a_while().await;
    }
}

impl RedisStore {
    async fn listen_ahead(&self, queues: &[QueueName], before: i32) -> Result<(), StoreError> {
        loop {
            let mut subscription = self.notifier.subscription().await?;
            // Before the look: a change right after it must find us here.
            let mut news = subscription.changes.subscribe();
            let mut is_any = false;
            for queue in queues {
                let known = subscription.known().lowest(queue);
                // What has no priority is listed, and goes before what has a high number; that is looked at each time.
                let lowest = match known.filter(|_| subscription.is_tracking && before <= 0) {
                    Some(lowest) => lowest,
                    None => self.look_ahead(&mut subscription, queue, before > 0).await?,
                };
                is_any |= lowest < f64::from(before);
            }
            if is_any {
                return Ok(());
            }
            if !subscription.is_tracking {
                pause(POLL).await;
                continue;
            }
            if changed(&mut news, queues).await == Changed::Unknown {
                lost_for_a_while().await;
            }
        }
    }

    /// The first priority of what is ready in a queue, as far as it may be fetched; infinite where nothing is.
    async fn look_ahead(
        &self,
        subscription: &mut Subscription,
        queue: &QueueName,
        with_listed: bool,
    ) -> Result<f64, StoreError> {
        let version = subscription.known().version();
        let mut ask = redis::pipe();
        ask.cmd("SISMEMBER").arg(self.keys.paused()).arg(queue.as_str());
        ask.cmd("ZRANGE").arg(self.keys.held(queue)).arg(0).arg(0).arg("WITHSCORES");
        if with_listed {
            ask.cmd("LLEN").arg(self.keys.ready(queue));
        }
        let Some(answers) = subscription.line.call_all(&ask, 2 + usize::from(with_listed)).await else {
            subscription.is_broken.store(true, Ordering::Relaxed);
            return Err(silence());
        };
        let answers = answers.map_err(|error| refusal(&error))?;
        let [is_paused, held, listed @ ..] = answers.as_slice() else { return Ok(f64::INFINITY) };
        let may_be_fetched = !matches!(is_paused, Value::Int(1));
        let held = first_score(held).filter(|_| may_be_fetched).map_or(f64::INFINITY, priority);
        let listed = if matches!(listed, [Value::Int(1..)] if may_be_fetched) { 0.0 } else { f64::INFINITY };
        subscription.known().learn_lowest(&self.keys, queue, held, version);
        Ok(held.min(listed))
    }
}
