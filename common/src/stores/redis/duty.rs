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
//! something to fetch, and in a large fleet somebody beats every few milliseconds. A listener that dies or stands still is
//! replaced by the next beat that finds too few of them.
//!
//! Workers that share a broker are one member, and take turns among themselves (`stores/seats.rs`).
//!
//! A small fleet knows nothing of all this, and sends nothing for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::RedisStore;
use super::keys::Keys;
use crate::message::MessageId;
use crate::store::Lease;
use crate::stores::seats::Seats;

/// How many of a large group listen.
const LISTENERS: usize = 4;

/// Up to so many heartbeats beside those of its own fleets, a worker's fleet is small.
const SMALL: usize = 32;

/// What one store has to do with it.
#[derive(Debug)]
pub(super) struct Duty {
    /// As whom others know it.
    member: String,
    role: watch::Sender<Role>,
    /// How many wait.
    waiting: AtomicUsize,
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
        self.set(Role::All);
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

impl RedisStore {
    /// With each beat: finds out whether this store's worker listens.
    pub(super) async fn share_duty(&self, lease: &Lease, heartbeats: usize) {
        let duty = self.ear.duty();
        // Workers that share a connection are told once anyway.
        let is_alone = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner).len() <= 1;
        let is_waiting = duty.waiting.load(Ordering::Relaxed) > 0;
        if is_alone && is_waiting && heartbeats > lease.queues.len() + SMALL {
            let role = self.ask_for_duty(lease).await;
            duty.set(role);
        } else {
            // Who works listens as soon as it has nothing to do, until its next beat.
            self.end_duty().await;
        }
    }

    /// Does not listen any more, and is not to be called.
    pub(super) async fn end_duty(&self) {
        let duty = self.ear.duty();
        let Some(group) = duty.group() else { return };
        duty.reset();
        let mut call = self.script(&self.scripts.duty);
        call.text(&group).text(duty.member()).text("");
        if let Err(error) = call.run::<bool>(&self.link).await {
            tracing::debug!(target: "common::broker", "is forgotten within seconds: {error:?}");
        }
    }

    async fn ask_for_duty(&self, lease: &Lease) -> Role {
        let duty = self.ear.duty();
        if duty.group().is_none() && !self.ear.can_be_called(&self.keys.call(duty.member())).await {
            return Role::All;
        }
        let group: Arc<str> = duty.group().unwrap_or_else(|| Keys::group(&lease.queues).into());
        let mut call = self.script(&self.scripts.duty);
        call.text(&group).text(duty.member()).count(LISTENERS);
        match call.run::<bool>(&self.link).await {
            Ok(true) => Role::On(group),
            Ok(false) => Role::Off(group),
            Err(error) => {
                tracing::debug!(target: "common::broker", "listens with all others: {error:?}");
                Role::All
            }
        }
    }
}
