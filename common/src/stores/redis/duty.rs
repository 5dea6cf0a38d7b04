//! Who listens, where many workers wait.
//!
//! The server tells everybody who has looked at a key of its next change, so each message would wake each idle worker of its
//! queue: a thousand of them ask a thousand times for one message. So of a large fleet only [`LISTENERS`] listen for each group of
//! workers with the same queues, and the others wait to be called.
//!
//! ```text
//!  idle ──── a beat finds too few listeners, or a call ────► on duty: it listens, as everybody does in a small fleet
//!    ▲                                                          │ a message
//!    └──── a fetch brought something: in the same step another ─┘
//!          one is called, and two more where there is more to get
//! ```
//!
//! So a message wakes the listeners, one of which gets it, and one more who takes its place; of many messages, each that is got
//! wakes two more workers, until there are no more of either. Nothing depends on any of them: a beat tells whether there is
//! something to fetch, and in a large fleet somebody's beat looks every few dozen milliseconds. A listener that dies or stands still is
//! replaced by the next beat that finds too few of them.
//!
//! Workers that share a broker are one member, and take turns among themselves (`stores/shared/seats.rs`).
//!
//! Who listens is settled by the beats themselves; only where a worker stops is there a call for it. A small fleet knows nothing of
//! all this, and sends nothing for it. Most beats of those who wait to be called are short (`redis/beat/idle.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

use super::RedisStore;
use super::keys::Keys;
use crate::message::MessageId;
use crate::store::Registration;
use crate::stores::shared::seats::Seats;

/// How many of a large group listen.
const LISTENERS: usize = 2;

/// Up to so many heartbeats beside those of its own fleets, a worker's fleet is small.
pub(super) const SMALL: usize = 32;

/// What one store has to do with it.
#[derive(Debug)]
pub(super) struct Duty {
    /// As whom others know it.
    member: String,
    role: watch::Sender<Role>,
    /// How many wait.
    waiting: AtomicUsize,
    /// How many heartbeats the last beat saw.
    heartbeats: AtomicUsize,
    /// Whether others reach it by its channel.
    is_callable: AtomicBool,
    /// Who of those who share this store listens.
    pub(super) seats: Seats,
}

/// Whether the workers of a store listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// The fleet is small: all do.
    #[default]
    All,
    /// They do, for their group.
    On(Arc<str>),
    /// They wait to be called.
    Off(Arc<str>),
}

impl Default for Duty {
    fn default() -> Self {
        Self {
            member: MessageId::random().to_string(),
            role: watch::Sender::default(),
            waiting: AtomicUsize::new(0),
            heartbeats: AtomicUsize::new(0),
            is_callable: AtomicBool::new(false),
            seats: Seats::default(),
        }
    }
}

impl Duty {
    pub(super) fn member(&self) -> &str {
        &self.member
    }

    /// Where only some listen, the group that this store's worker belongs to.
    pub(super) fn group(&self) -> Option<Arc<str>> {
        match &*self.role.borrow() {
            Role::All => None,
            Role::On(group) | Role::Off(group) => Some(group.clone()),
        }
    }

    /// The role, and its changes.
    pub(super) fn role(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    /// Somebody who got something has called this one.
    pub(super) fn called(&self) {
        self.role.send_if_modified(|role| match role {
            Role::Off(group) => {
                *role = Role::On(group.clone());
                true
            }
            Role::All | Role::On(_) => false,
        });
    }

    /// This one has got something, and another one listens in its place.
    pub(super) fn handed_on(&self) {
        self.role.send_if_modified(|role| match role {
            Role::On(group) => {
                *role = Role::Off(group.clone());
                true
            }
            Role::All | Role::Off(_) => false,
        });
    }

    /// The connection by which it could be called is lost.
    pub(super) fn reset(&self) {
        self.is_callable.store(false, Ordering::Relaxed);
        self.set(Role::All);
    }

    /// How many heartbeats there are, as far as the last beat saw.
    pub(super) fn heartbeats(&self) -> usize {
        self.heartbeats.load(Ordering::Relaxed)
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(*self.role.borrow(), Role::Off(_))
    }

    fn set(&self, new: Role) {
        self.role.send_if_modified(|role| {
            let is_new = *role != new;
            *role = new;
            is_new
        });
    }

    /// Notes that somebody waits, until this is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

/// Somebody waits.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a Duty);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a beat tells of its store's worker, and asks.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) group: Arc<str>,
    /// How many of its group are to listen; `None` where it does not wait.
    pub(super) listeners: Option<usize>,
}

impl RedisStore {
    /// Before a beat: what it says of this store's worker, if it belongs to a large fleet.
    pub(super) fn wish(&self, registration: &Registration) -> Option<Wish> {
        let duty = self.notifier.duty();
        let group = duty.group();
        if self.is_idle_in_large_fleet(registration) {
            let is_callable = duty.is_callable.load(Ordering::Relaxed);
            let group = group.or_else(|| is_callable.then(|| Keys::group(&registration.queues).into()))?;
            Some(Wish { group, listeners: Some(LISTENERS) })
        } else {
            // Who works listens as soon as it has nothing to do, until its next beat.
            duty.set(Role::All);
            Some(Wish { group: group?, listeners: None })
        }
    }

    fn is_idle_in_large_fleet(&self, registration: &Registration) -> bool {
        let duty = self.notifier.duty();
        // Workers that share a connection are told once anyway.
        let is_alone = || self.registered.count() <= 1;
        let is_waiting = duty.waiting.load(Ordering::Relaxed) > 0;
        is_waiting && duty.heartbeats() > registration.queues.len() + SMALL && is_alone()
    }

    /// Lets others call this store's worker, if it is to be one of a large fleet with the next beat.
    pub(super) async fn ready_for_calls(&self, registration: &Registration) {
        let duty = self.notifier.duty();
        if self.is_idle_in_large_fleet(registration) && !duty.is_callable.load(Ordering::Relaxed) {
            let is_callable = self.notifier.can_be_called(&self.keys.call(duty.member())).await;
            duty.is_callable.store(is_callable, Ordering::Relaxed);
        }
    }

    /// After a beat: whether this store's worker listens, and how many heartbeats there are. Where the beat has failed, it listens with
    /// all others.
    pub(super) fn apply_duty(&self, wish: Option<&Wish>, answer: Option<(bool, usize)>) {
        let duty = self.notifier.duty();
        let Some((listens, heartbeats)) = answer else { return duty.set(Role::All) };
        duty.heartbeats.store(heartbeats, Ordering::Relaxed);
        if let Some(Wish { group, listeners: Some(_) }) = wish {
            duty.set(if listens { Role::On(group.clone()) } else { Role::Off(group.clone()) });
        }
    }

    /// Does not listen any more, and is not to be called.
    pub(super) async fn end_duty(&self) {
        let duty = self.notifier.duty();
        let Some(group) = duty.group() else { return };
        duty.set(Role::All);
        let mut call = self.script(&self.scripts.duty);
        call.text(&group).text(duty.member());
        if let Err(error) = call.run::<bool>(&self.pulse).await {
            tracing::debug!(target: "common::broker", "is forgotten within seconds: {error:?}");
        }
    }
}
