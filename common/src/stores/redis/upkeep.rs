//! The beat: one call that does all upkeep of a worker's queues, and what Rust makes of its answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::Mutex;

use super::connection::CallError;
use super::duty::Wish;
use super::idle::Idle;
use super::inspect::millis;
use super::peers::{Look, Peers};
use super::refusal::from_script;
use super::scripts::read;
use super::slices::{Turns, is_many};
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{BEAT_INTERVAL, Beat, Claim, DEAD_LETTER_TTL, Lease, WorkerId};
use crate::stores::back::give_back;
use crate::stores::seldom::is_time;
use crate::stores::surplus::{Surplus, compare};

/// Calls of one kind in one beat, at most, while there is more to do than fits one.
pub(super) const MAX_ROUNDS: usize = 100;

/// How often dead letters are looked at.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// How often registrations are looked at, and the dead whom nobody could settle.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long it is kept what a worker had not started by its last beat: by then, whoever lives has found it dead.
const REMEMBER_WAITING: Duration = Duration::from_secs(60);

/// What one worker's beats have seen so far.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub(super) peers: Peers,
    /// Where each queue's indexes are compared with their claims next.
    pub(super) cursors: HashMap<QueueName, (String, String)>,
    /// Which of many queues come next, and what is known of them.
    pub(super) turns: Turns,
    /// Claims that the worker does not know of.
    pub(super) surplus: Surplus,
    expired: Option<Duration>,
    tidied: Option<Duration>,
    scanned: Option<Duration>,
    pub(super) idle: Idle,
    /// Held by a beat from its first call to its last one, which leaves here how it failed.
    beating: Arc<Mutex<Option<StoreError>>>,
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
        self.store.with_upkeep(self.worker, |upkeep| upkeep.surplus.end_call(self.since, uptime));
    }
}

/// What one call of the script answers.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) now: Timestamp,
    pub(super) moved: usize,
    pub(super) has_more: bool,
    /// Who is silent, where the call looked at that.
    look: Option<Look>,
    claims: Vec<Claim>,
    /// How many heartbeats there are: of workers, here and in Python, and of fleets.
    heartbeats: usize,
    /// Whether the worker's member of a large fleet is one of those who listen.
    listens: bool,
    /// The queues whose claims could not be read.
    unread: Vec<QueueName>,
    pub(super) next_due: Option<Timestamp>,
    /// Which of the claims are cancelled.
    cancelled: Vec<Claim>,
    /// Whether there is something to fetch.
    is_ready: bool,
}

impl Seen {
    /// Takes in what another call of the same beat saw, for other queues.
    pub(super) fn add(&mut self, other: Self) {
        self.now = self.now.max(other.now);
        self.moved += other.moved;
        self.look = self.look.take().or(other.look);
        self.claims.extend(other.claims);
        self.unread.extend(other.unread);
        self.next_due = [self.next_due, other.next_due].into_iter().flatten().min();
        self.cancelled.extend(other.cancelled);
        self.is_ready |= other.is_ready;
    }
}

/// What the script says of one queue: own claims, if they could be read, the next due time, both cursors, whether there is something to fetch, and the
/// claims that are cancelled.
type OfQueue = (Option<Vec<Vec<u8>>>, String, String, String, bool, Vec<Vec<u8>>);

/// What the script does not say of a queue where there is nothing to say.
fn quiet() -> OfQueue {
    (Some(Vec::new()), String::new(), "0".to_owned(), "0".to_owned(), false, Vec::new())
}

/// What one call of the script does besides showing that the worker and its fleets live.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part<'a> {
    /// Looks at the others.
    pub(super) is_looking: bool,
    /// Looks at dead letters.
    pub(super) is_expiring: bool,
    pub(super) wish: Option<&'a Wish>,
}

impl RedisStore {
    /// Notes that a call has begun which may bring or end claims of a worker.
    pub(super) fn under_way<'a>(&'a self, worker: &'a WorkerId) -> UnderWay<'a> {
        let since = self.clock.uptime();
        self.with_upkeep(worker, |upkeep| upkeep.surplus.begin_call(since));
        UnderWay { store: self, worker, since }
    }

    pub(super) async fn join_queues(&self, queues: &[QueueName]) -> Result<Lease, StoreError> {
        let lease = Lease { worker: WorkerId::random(), queues: queues.to_vec() };
        match self.beat_once(&lease, &[], &[]).await {
            Ok(_) => Ok(lease),
            Err(error) => {
                self.drop_upkeep(&lease.worker);
                Err(error)
            }
        }
    }

    pub(super) async fn leave_queues(&self, lease: &Lease) -> Result<(), StoreError> {
        // A beat that is under way would show signs of life of a worker that has left.
        let beating = self.with_upkeep(&lease.worker, |upkeep| Arc::clone(&upkeep.beating));
        if beating.try_lock().is_err()
            && let Some(error) = &*beating.lock().await
        {
            // Nobody answers: another call would only take as long.
            self.drop_upkeep(&lease.worker);
            return Err(error.clone());
        }
        let _last_beat = beating.lock().await;
        self.drop_upkeep(&lease.worker);
        self.end_duty().await;
        let slices: Vec<_> = lease.queues.chunks(CHUNK).collect();
        let mut left = None;
        for (at, slice) in slices.iter().enumerate() {
            let is_last = at + 1 == slices.len();
            let mut call = self.script(&self.scripts.leave);
            call.text(lease.worker.as_str()).text(if is_last { "off" } else { "" });
            for queue in *slice {
                call.text(queue.as_str());
            }
            let time: String = call.run(&self.pulse).await?;
            left = time.parse().ok().map(Timestamp::from_millis);
            if left.is_none() {
                tracing::warn!(target: "common::broker", worker = ?lease.worker, "left with claims; others will find it dead and recover them");
                return Ok(());
            }
        }
        if let Some(left) = left {
            // Once it is off: of two that leave at the same time, the later one finds nobody.
            self.hand_over(lease, left).await;
        }
        Ok(())
    }

    pub(super) async fn beat_once(&self, lease: &Lease, held: &[Claim], waiting: &[Claim]) -> Result<Beat, StoreError> {
        // Only who beats is known.
        let beating = Arc::clone(&self.all_upkeep().entry(lease.worker.clone()).or_default().beating);
        let mut failure = beating.lock().await;
        let beat = self.beat_alone(lease, held, waiting).await;
        *failure = beat.as_ref().err().cloned();
        beat
    }

    async fn beat_alone(&self, lease: &Lease, held: &[Claim], waiting: &[Claim]) -> Result<Beat, StoreError> {
        let started = self.clock.uptime();
        let is_expiring = self.with_upkeep(&lease.worker, |upkeep| is_time(&mut upkeep.expired, started, EXPIRE_EVERY));
        let wish = self.wish(lease);
        if held.is_empty()
            && waiting.is_empty()
            && !is_expiring
            && let Some(beat) = self.beat_shortly(lease, wish.as_ref()).await?
        {
            return Ok(beat);
        }
        let first = self.look_after(lease, held, is_expiring, wish.as_ref()).await;
        self.heard(wish.as_ref(), first.as_ref().ok().map(|seen| (seen.listens, seen.heartbeats)));
        let first = first?;
        let took = self.clock.uptime().saturating_sub(started);
        let mut beat = Beat {
            now: first.now,
            lost: Vec::new(),
            cancelled: first.cancelled,
            next_due: first.next_due,
            moved: first.moved,
            ready: first.is_ready,
        };

        self.report_waiting(lease, waiting, first.now).await?;

        // The first answer counts: what was claimed later, `held` cannot know.
        beat.lost = self.settle_claims(lease, held, &first.claims, &first.unread).await?;
        let uptime = self.clock.uptime();
        // The looks happened at the server: an answer that was held up on its way is none that came late.
        if let Some(look) = first.look {
            let at = first.now.since(Timestamp::EPOCH);
            self.name_clocks(first.now, &look.pythons, beat.lost.len());
            beat.moved += self.bury(lease, at, took, look).await?;
        }
        if self.with_upkeep(&lease.worker, |upkeep| is_time(&mut upkeep.tidied, uptime, TIDY_EVERY)) {
            self.with_upkeep(&lease.worker, |upkeep| upkeep.peers.reopen());
            if let Err(error) = self.tidy().await {
                tracing::warn!(target: "common::broker", "registrations were not looked at: {error}");
            }
        }
        self.with_upkeep(&lease.worker, |upkeep| upkeep.idle.looked(&beat));
        // After the beat, lest it be late for that.
        self.ready_for_calls(lease).await;
        Ok(beat)
    }

    /// What this worker has claimed and not started, by the beat of this time. Nothing is sent where nothing waits: an older report
    /// tells its time, and is worth nothing after the next beat.
    async fn report_waiting(&self, lease: &Lease, waiting: &[Claim], now: Timestamp) -> Result<(), StoreError> {
        let Some(report) = report(waiting)? else { return Ok(()) };
        let mut set = redis::cmd("SET");
        set.arg(self.keys.waiting(&lease.worker)).arg(format!("{now} {report}"));
        set.arg("PX").arg(u64::try_from(REMEMBER_WAITING.as_millis()).unwrap_or(u64::MAX));
        match self.pulse.call(&set).await {
            Err(error @ (CallError::NotSent(_) | CallError::Lost(_))) => Err(error.into()),
            // Without it, what waits is marked; that costs a call each.
            _ => Ok(()),
        }
    }

    fn drop_upkeep(&self, worker: &WorkerId) {
        self.all_upkeep().remove(worker);
    }

    /// One call of the script, for some of the worker's queues.
    pub(super) async fn send_beat(
        &self,
        lease: &Lease,
        slice: &[QueueName],
        Part { is_looking, is_expiring, wish }: Part<'_>,
    ) -> Result<Seen, StoreError> {
        let mut call = self.script(&self.scripts.beat);
        let is_many = is_many(lease);
        self.with_upkeep(&lease.worker, |upkeep| {
            let registration = if is_many && upkeep.turns.is_registered { String::new() } else { registration(lease) };
            call.text(lease.worker.as_str()).text(&registration);
            if is_looking {
                call.duration(BEAT_INTERVAL)
            } else {
                call.text("")
            };
            call.count(upkeep.peers.offset());
            if is_expiring {
                call.duration(DEAD_LETTER_TTL)
            } else {
                call.text("")
            };
            match wish {
                Some(Wish { group, listeners }) => {
                    call.text(group).text(self.ear.duty().member());
                    match listeners {
                        Some(listeners) => call.count(*listeners),
                        None => call.text(""),
                    }
                }
                None => call.text("").text("").text(""),
            };
            for queue in slice {
                let (due, held) = upkeep.cursors.get(queue).map_or(("0", "0"), |(due, held)| (due, held));
                call.text(queue.as_str()).text(&self.keys.fleet(queue)).text(due).text(held);
            }
        });
        let mut answer = call.run::<Vec<Value>>(&self.pulse).await?.into_iter();
        let mut next = || answer.next().unwrap_or_default();
        let now = Timestamp::from_millis(read(next())?);
        let moved = read(next())?;
        let has_more = read(next())?;
        let look: Vec<Value> = read(next())?;
        let refusals: Vec<String> = read(next())?;
        let is_registered = read(next())?;
        let heartbeats = read(next())?;
        let listens = read(next())?;
        let refused = refusals.iter().map(|text| from_script(text)).map(|error| (place(&error), error)).collect();
        // Of many queues, the next calls look at others.
        self.upkeeping.see(refused, |place| !is_many || slice.iter().any(|queue| self.keys.is_of(place, queue)));
        let (mut claims, mut unread, mut cancelled) = (Vec::new(), Vec::new(), Vec::new());
        let mut next_due: Option<Timestamp> = None;
        let mut is_ready = false;
        self.with_upkeep(&lease.worker, |upkeep| upkeep.turns.is_registered = is_registered);
        for queue in slice {
            let (mine, due, due_cursor, held_cursor, ready, stopped) =
                answer.next().map_or_else(|| Ok(quiet()), read)?;
            is_ready |= ready;
            if ready && is_many {
                self.candidates.notice([queue]);
            }
            let is_claimed = mine.as_ref().is_none_or(|mine| !mine.is_empty());
            let claim = |id: Vec<u8>| Claim { queue: queue.clone(), id: String::from_utf8_lossy(&id).into() };
            match mine {
                Some(mine) => claims.extend(mine.into_iter().map(claim)),
                None => unread.push(queue.clone()),
            }
            cancelled.extend(stopped.into_iter().map(claim));
            let due = due.parse().ok().map(millis);
            next_due = [next_due, due].into_iter().flatten().min();
            self.with_upkeep(&lease.worker, |upkeep| {
                if (due_cursor.as_str(), held_cursor.as_str()) == ("0", "0") {
                    upkeep.cursors.remove(queue);
                } else {
                    upkeep.cursors.insert(queue.clone(), (due_cursor, held_cursor));
                }
                if is_many {
                    upkeep.turns.see(queue, is_claimed, due);
                }
            });
        }
        Ok(Seen {
            now,
            moved,
            has_more,
            look: Look::read(look)?,
            claims,
            heartbeats,
            listens,
            unread,
            cancelled,
            next_due,
            is_ready,
        })
    }

    /// Compares what the worker believes to hold with what it holds: answers what it lost, and gives back what it cannot
    /// know of because an answer was lost.
    async fn settle_claims(
        &self,
        lease: &Lease,
        held: &[Claim],
        claims: &[Claim],
        unread: &[QueueName],
    ) -> Result<Vec<Claim>, StoreError> {
        let (mut lost, surplus) = compare(held, claims);
        lost.retain(|claim| !unread.contains(&claim.queue));
        let uptime = self.clock.uptime();
        let forgotten = self.with_upkeep(&lease.worker, |upkeep| upkeep.surplus.forgotten(uptime, surplus));
        if !forgotten.is_empty() {
            tracing::warn!(target: "common::broker", count = forgotten.len(), "messages go back: the answer that brought them was lost");
            self.finish_all(&self.pulse, lease, &give_back(forgotten)).await?;
        }
        Ok(lost)
    }
}

/// All queues of a worker, as others read them when it is dead.
fn registration(lease: &Lease) -> String {
    let queues: Vec<&str> = lease.queues.iter().map(QueueName::as_str).collect();
    queues.join(" ")
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

/// What an error is about.
fn place(error: &StoreError) -> String {
    match error {
        StoreError::Denied { key, .. } | StoreError::Foreign { key, .. } => key.clone(),
        _ => String::new(),
    }
}
