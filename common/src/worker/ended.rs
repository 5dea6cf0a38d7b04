//! What is left of a message that has ended here.

use std::sync::Arc;

use crate::actor::Declaration;
use crate::message::Message;
use crate::observe::Report;
use crate::outcome::DeathCause;
use crate::store::{Claim, Completion};

/// What the store is to do, and what observers hear once it has.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) completion: Completion,
    /// `None` where nobody observes, or nothing came to an end.
    pub(super) report: Option<Box<Report>>,
}

impl Ended {
    /// What observers do not hear of.
    pub(super) fn silent(completion: Completion) -> Self {
        Self { completion, report: None }
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.completion.claim
    }
}

/// A message that is not run, and dies.
#[derive(Debug)]
pub(super) struct Condemned {
    pub(super) claim: Claim,
    /// `None` where its bytes are none.
    pub(super) message: Option<Arc<Message>>,
    /// The bytes that are no message.
    pub(super) bytes: Vec<u8>,
    /// It is a dead letter already.
    pub(super) is_dead: bool,
    /// `None` where this worker does not know it.
    pub(super) actor: Option<&'static Declaration>,
    pub(super) cause: DeathCause,
    pub(super) reason: String,
}
