//! One call of the beat's script: what it is asked, and what it answers.

use redis::Value;

use super::peers::PeersAnswer;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{BEAT_INTERVAL, Claim, DEAD_LETTER_TTL, Registration};
use crate::stores::redis::RedisStore;
use crate::stores::redis::duty::Wish;
use crate::stores::redis::error::from_script;
use crate::stores::redis::limits::is_many;
use crate::stores::redis::scripts::millis;
use crate::stores::redis::scripts::read;

/// What one call of the script answers.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) now: Timestamp,
    pub(super) moved: usize,
    pub(super) has_more: bool,
    /// Who is silent, where the call looked at that.
    pub(super) peers: Option<PeersAnswer>,
    pub(super) claims: Vec<Claim>,
    /// How many heartbeats there are: of workers, here and in Python, and of fleets.
    pub(super) heartbeats: usize,
    /// Whether the worker's member of a large fleet is one of those who listen.
    pub(super) listens: bool,
    /// The queues whose claims could not be read.
    pub(super) unread: Vec<QueueName>,
    pub(super) next_due: Option<Timestamp>,
    /// Which of the claims are cancelled.
    pub(super) cancelled: Vec<Claim>,
    /// Whether there is something to fetch.
    pub(super) is_ready: bool,
    /// The queues with dead letters whose end is still to be made.
    pub(super) unended: Vec<QueueName>,
}

impl Seen {
    /// Takes in what another call of the same beat saw, for other queues.
    pub(super) fn add(&mut self, other: Self) {
        self.now = self.now.max(other.now);
        self.moved += other.moved;
        self.peers = self.peers.take().or(other.peers);
        self.claims.extend(other.claims);
        self.unread.extend(other.unread);
        self.next_due = [self.next_due, other.next_due].into_iter().flatten().min();
        self.cancelled.extend(other.cancelled);
        self.is_ready |= other.is_ready;
        self.unended.extend(other.unended);
    }
}

/// What the script says of one queue: own claims, if they could be read, the next due time, both cursors, whether there is something
/// to fetch, the claims that are cancelled, and whether there are dead letters whose end is still to be made.
type OfQueue = (Option<Vec<Vec<u8>>>, String, String, String, bool, Vec<Vec<u8>>, bool);

/// What the script does not say of a queue where there is nothing to say.
fn quiet() -> OfQueue {
    (Some(Vec::new()), String::new(), "0".to_owned(), "0".to_owned(), false, Vec::new(), false)
}

/// What one call of the script does besides showing that the worker and its fleets live.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part<'a> {
    /// It shows the other workers, to be judged.
    pub(super) with_peers: bool,
    /// It drops dead letters that are too old.
    pub(super) with_expiry: bool,
    pub(super) wish: Option<&'a Wish>,
}

impl RedisStore {
    /// One call of the script, for some of the worker's queues.
    pub(super) async fn send_beat(
        &self,
        registration: &Registration,
        slice: &[QueueName],
        Part { with_peers, with_expiry, wish }: Part<'_>,
    ) -> Result<Seen, StoreError> {
        let mut call = self.script(&self.scripts.beat);
        let is_many = is_many(registration);
        self.with_upkeep(&registration.worker, |upkeep| {
            let registered =
                if is_many && upkeep.turns.is_registered { String::new() } else { registered_as(registration) };
            call.text(registration.worker.as_str()).text(&registered);
            if with_peers {
                call.duration(BEAT_INTERVAL)
            } else {
                call.text("")
            };
            call.count(upkeep.peers.offset());
            if with_expiry {
                call.duration(DEAD_LETTER_TTL)
            } else {
                call.text("")
            };
            match wish {
                Some(Wish { group, listeners }) => {
                    call.text(group).text(self.notifier.duty().member());
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
        let peers: Vec<Value> = read(next())?;
        let refusals: Vec<String> = read(next())?;
        let is_registered = read(next())?;
        let heartbeats = read(next())?;
        let listens = read(next())?;
        let refused = refusals.iter().map(|text| from_script(text)).map(|error| (place(&error), error)).collect();
        // Of many queues, the next calls look at others.
        self.upkeeping.see(refused, |place| !is_many || slice.iter().any(|queue| self.keys.is_of(place, queue)));
        let (mut claims, mut unread, mut cancelled) = (Vec::new(), Vec::new(), Vec::new());
        let mut unended = Vec::new();
        let mut next_due: Option<Timestamp> = None;
        let mut is_ready = false;
        self.with_upkeep(&registration.worker, |upkeep| upkeep.turns.is_registered = is_registered);
        for queue in slice {
            let (mine, due, due_cursor, held_cursor, ready, stopped, has_unended) =
                answer.next().map_or_else(|| Ok(quiet()), read)?;
            if has_unended {
                unended.push(queue.clone());
            }
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
            self.with_upkeep(&registration.worker, |upkeep| {
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
            peers: PeersAnswer::read(peers)?,
            claims,
            heartbeats,
            listens,
            unread,
            cancelled,
            next_due,
            is_ready,
            unended,
        })
    }
}

/// All queues of a worker, as others read them when it is dead.
fn registered_as(registration: &Registration) -> String {
    let queues: Vec<&str> = registration.queues.iter().map(QueueName::as_str).collect();
    queues.join(" ")
}

/// What an error is about.
fn place(error: &StoreError) -> String {
    match error {
        StoreError::Denied { key, .. } | StoreError::WrongKeyType { key, .. } => key.clone(),
        _ => String::new(),
    }
}
