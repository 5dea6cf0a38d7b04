//! What could happen now, and what has to happen before something else can.

use super::{CREW, Kind, MANY, QUEUES, Runner};
use crate::model::{
    operation::{enqueue, finish_one, limit, python_send},
    places::Place,
};

impl Runner {
    /// Whether there is anything that this could happen to.
    #[must_use]
    #[expect(clippy::unnested_or_patterns, reason = "macros stand for parts of the patterns")]
    pub fn is_possible(&self, kind: Kind) -> bool {
        match kind {
            enqueue!() | python_send!() => self.places.items.len() < MANY,
            Kind::EnqueueAgain | Kind::EnqueueTwin => !self.sent.is_empty() && self.places.items.len() < MANY,
            Kind::Register => self.workers.iter().filter(|worker| worker.is_alive).count() < CREW,
            Kind::Fetch | Kind::FetchUnanswered | Kind::Crash | Kind::Deregister => self.any(|_| true).is_some(),
            Kind::Sleep => self.any(|worker| !worker.is_asleep).is_some(),
            Kind::Wake => self.any(|worker| worker.is_asleep).is_some(),
            Kind::Start | finish_one!() => self.any(|worker| !worker.held.is_empty()).is_some(),
            Kind::FinishSeveral | Kind::ReleaseAll => self.any(|worker| worker.held.len() > 1).is_some(),
            Kind::FinishLost => self.any(|worker| !worker.past.is_empty()).is_some(),
            Kind::Cancel => !self.places.items.is_empty(),
            Kind::RequeueDead | Kind::Delete => !self.places.letters.is_empty(),
            Kind::Pause => self.places.paused.len() < QUEUES.len(),
            Kind::Resume => !self.places.paused.is_empty(),
            Kind::PythonAck | Kind::PythonNack | Kind::PythonRequeue => self.python_has_any(false),
            Kind::PythonPromote => self.python_has_due() > 0,
            Kind::PythonGiveSlotBack => self.python_has_slot(),
            limit!()
            | Kind::Purge
            | Kind::Look
            | Kind::Tick
            | Kind::Ticks
            | Kind::Late
            | Kind::Minute
            | Kind::Week
            | Kind::PythonFetch
            | Kind::PythonFetchDelayed
            | Kind::PythonMaintain
            | Kind::PythonDie
            | Kind::Watch => true,
        }
    }

    /// Whether it could happen, and would leave something for another one of its kind.
    #[must_use]
    pub fn is_plenty(&self, kind: Kind) -> bool {
        match kind {
            Kind::RequeueDead | Kind::Delete => self.places.letters.len() > 1,
            Kind::PythonPromote => self.python_has_due() > 1,
            // Each takes all that one worker has.
            Kind::FinishSeveral | Kind::ReleaseAll => {
                self.workers.iter().filter(|worker| worker.is_alive && worker.held.len() > 1).count() > 1
            }
            _ => self.is_possible(kind),
        }
    }

    /// The operation itself, or one that brings it nearer.
    #[must_use]
    #[expect(clippy::unnested_or_patterns, reason = "macros stand for parts of the patterns")]
    pub fn towards(&self, kind: Kind) -> Kind {
        match kind {
            // Somebody should be left to do something.
            Kind::Crash | Kind::Deregister | Kind::Sleep | Kind::FinishSeveral | Kind::ReleaseAll
                if self.crew() < 2 =>
            {
                Kind::Register
            }
            _ if self.is_plenty(kind) => kind,
            Kind::EnqueueAgain | Kind::EnqueueTwin | Kind::Cancel => Kind::Enqueue,
            // There are too many workers, or messages.
            Kind::Register => Kind::Crash,
            enqueue!() | python_send!() => Kind::Purge,
            Kind::Fetch | Kind::FetchUnanswered => Kind::Register,
            Kind::Wake => self.towards(Kind::Sleep),
            Kind::FinishLost => self.towards(Kind::Done),
            Kind::RequeueDead | Kind::Delete => self.towards(Kind::DeadLetter),
            Kind::Resume => Kind::Pause,
            Kind::Pause => Kind::Resume,
            Kind::PythonAck | Kind::PythonNack | Kind::PythonRequeue if self.has_listed(false) => Kind::PythonFetch,
            Kind::PythonAck | Kind::PythonNack | Kind::PythonRequeue => Kind::PythonSend,
            Kind::PythonPromote if self.has_listed(true) => Kind::PythonFetchDelayed,
            Kind::PythonPromote if self.python_has_any(true) && self.python_has_due() == 0 => Kind::Minute,
            Kind::PythonPromote => Kind::PythonSendDelayed,
            Kind::PythonGiveSlotBack => Kind::PythonTakeSlot,
            // What is left is to end something.
            _ if self.crew() == 0 => Kind::Register,
            _ if self.is_ready() => Kind::Fetch,
            _ if !self.places.paused.is_empty() => Kind::Resume,
            _ => Kind::EnqueueSeveral,
        }
    }

    /// How many workers are alive.
    fn crew(&self) -> usize {
        self.workers.iter().filter(|worker| worker.is_alive).count()
    }

    /// Whether a worker would fetch something.
    pub(super) fn is_ready(&self) -> bool {
        let mut workers = self.workers.iter().zip(&self.places.workers).filter(|(worker, _)| worker.is_alive);
        workers.any(|(_, worker)| worker.is_registered && self.places.is_ready(&worker.queues))
    }

    /// Whether Python would fetch something from one of the lists.
    pub(super) fn has_listed(&self, delayed: bool) -> bool {
        self.places.items.iter().any(|item| match item.place {
            Place::Ready { band: 0, .. } => !delayed,
            Place::Held { inbox: Some(_), .. } => delayed,
            _ => false,
        })
    }
}
