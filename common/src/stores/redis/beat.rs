//! The beat: all upkeep of a worker's queues, and what is made of what its calls saw.

mod call;
mod idle;
mod peers;
mod recovery;
mod slices;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use self::idle::Idle;
use self::peers::Peers;
use self::slices::Turns;
use super::connection::CallError;
use super::limits::CHUNK;
use super::{RedisStore, finish};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Beat, Claim, Registration, WorkerId};
use crate::stores::shared::seldom::is_time;

/// How often registrations are looked at, and the dead whom nobody could settle.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long it is kept what a worker had not started by its last beat: by then, whoever lives has found it dead.
const REMEMBER_WAITING: Duration = Duration::from_secs(60);

/// What one worker's beats have seen so far.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    peers: Peers,
    /// Where each queue's indexes are compared with their claims next.
    cursors: HashMap<QueueName, (String, String)>,
    /// Which of many queues come next, and what is known of them.
    turns: Turns,
    /// When registrations were looked through; `None` where this beat is to do that.
    tidied: Option<Duration>,
    scanned: Option<Duration>,
    idle: Idle,
}

impl Upkeep {
    /// Whether it is time again to go through all keys; if so, it counts as done.
    pub(super) fn is_time_to_scan(&mut self, uptime: Duration, every: Duration) -> bool {
        is_time(&mut self.scanned, uptime, every)
    }
}

/// A call that may bring or end claims; over when this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    store: &'a RedisStore,
    worker: &'a WorkerId,
    since: Duration,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let uptime = self.store.clock.uptime();
        self.store.registered.end_call(self.worker, self.since, uptime);
    }
}

pub(super) async fn deregister(store: &RedisStore, registration: &Registration) -> Result<(), StoreError> {
    store.registered.remove(&registration.worker).await?;
    store.end_duty().await;
    let slices: Vec<_> = registration.queues.chunks(CHUNK).collect();
    let mut left = None;
    for (at, slice) in slices.iter().enumerate() {
        let is_last = at + 1 == slices.len();
        let mut call = store.script(&store.scripts.deregister);
        call.text(registration.worker.as_str()).text(if is_last { "off" } else { "" });
        for queue in *slice {
            call.text(queue.as_str());
        }
        let time: String = call.run(&store.pulse).await?;
        left = time.parse().ok().map(Timestamp::from_millis);
        if left.is_none() {
            tracing::warn!(target: "common::broker", worker = ?registration.worker, "left with claims; others will find it dead and recover them");
            return Ok(());
        }
    }
    if let Some(left) = left {
        // Once it is off: of two that leave at the same time, the later one finds nobody.
        store.hand_over(registration, left).await;
    }
    Ok(())
}

/// Not by itself: beats of one worker come one after the other (`Registered::beat`).
pub(super) async fn run(
    store: &RedisStore,
    registration: &Registration,
    held: &[Claim],
    waiting: &[Claim],
) -> Result<Beat, StoreError> {
    let started = store.clock.uptime();
    let is_expiring = store.registered.is_expiring(&registration.worker, started);
    let wish = store.wish(registration);
    if held.is_empty()
        && waiting.is_empty()
        && !is_expiring
        && let Some(beat) = store.beat_shortly(registration, wish.as_ref()).await?
    {
        return Ok(beat);
    }
    let first = store.upkeep(registration, held, is_expiring, wish.as_ref()).await;
    store.apply_duty(wish.as_ref(), first.as_ref().ok().map(|seen| (seen.listens, seen.heartbeats)));
    let first = first?;
    let took = store.clock.uptime().saturating_sub(started);
    let mut beat = Beat {
        now: first.now,
        lost: Vec::new(),
        cancelled: first.cancelled,
        next_due: first.next_due,
        moved: first.moved,
        ready: first.is_ready,
        unended: first.unended,
    };

    store.report_waiting(registration, waiting, first.now).await?;

    // The first answer counts: what was claimed later, `held` cannot know.
    let uptime = store.clock.uptime();
    let compared = store.registered.compare(&registration.worker, held, &first.claims, &first.unread, uptime);
    beat.lost = compared.lost;
    if !compared.forgotten.is_empty() {
        finish::run(store, &store.pulse, registration, &compared.forgotten).await?;
    }
    let uptime = store.clock.uptime();
    // The looks happened at the server: an answer that was held up on its way is none that came late.
    if let Some(peers) = first.peers {
        let at = first.now.since(Timestamp::EPOCH);
        store.name_clocks(first.now, &peers.pythons, beat.lost.len());
        beat.moved += store.recover_dead(registration, at, took, peers).await?;
    }
    if store.with_upkeep(&registration.worker, |upkeep| is_time(&mut upkeep.tidied, uptime, TIDY_EVERY)) {
        store.with_upkeep(&registration.worker, |upkeep| upkeep.peers.reopen());
        if let Err(error) = store.tidy().await {
            tracing::warn!(target: "common::broker", "registrations were not looked at: {error}");
        }
    }
    store.with_upkeep(&registration.worker, |upkeep| upkeep.idle.learn(&beat));
    // After the beat, lest it be late for that.
    store.ready_for_calls(registration).await;
    Ok(beat)
}

impl RedisStore {
    /// Notes that a call has begun which may bring or end claims of a worker.
    pub(super) fn under_way<'a>(&'a self, worker: &'a WorkerId) -> UnderWay<'a> {
        let since = self.clock.uptime();
        self.registered.begin_call(worker, since);
        UnderWay { store: self, worker, since }
    }

    /// What this worker has claimed and not started, by the beat of this time. Nothing is sent where nothing waits: an older report
    /// tells its time, and is worth nothing after the next beat.
    async fn report_waiting(
        &self,
        registration: &Registration,
        waiting: &[Claim],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(report) = report(waiting)? else { return Ok(()) };
        let mut set = redis::cmd("SET");
        set.arg(self.keys.waiting(&registration.worker)).arg(format!("{now} {report}"));
        set.arg("PX").arg(u64::try_from(REMEMBER_WAITING.as_millis()).unwrap_or(u64::MAX));
        match self.pulse.call(&set).await {
            Err(error @ (CallError::NotSent(_) | CallError::Lost(_))) => Err(error.into()),
            // Without it, what waits is marked; that costs a call each.
            _ => Ok(()),
        }
    }
}

/// What has not started, ids by queue; `None` where nothing waits.
fn report(waiting: &[Claim]) -> Result<Option<String>, StoreError> {
    if waiting.is_empty() {
        return Ok(None);
    }
    let mut queues: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Claim { queue, id } in waiting {
        queues.entry(queue.as_str()).or_default().push(id);
    }
    serde_json::to_string(&queues).map(Some).map_err(|error| StoreError::Refused(error.to_string()))
}
