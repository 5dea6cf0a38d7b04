//! What several workers have died with is run alone: whatever is claimed beside it would be blamed as well if it kills
//! this one too.
//!
//! ```text
//!  a fetch brings it ──► Apart: what waits and the rest of that fetch go back, what runs ends, nothing is fetched
//!                          └─► Alone: it runs ──► None: fetching goes on
//! ```

use tracing::warn;

use super::Keeper;
use crate::store::{Claim, SUSPECT_AFTER};
use crate::worker::pool::{Job, head};

/// The message that workers died with, and how far it is.
pub(super) enum Suspect {
    None,
    /// It waits until nothing else of this worker is claimed.
    Apart(Job),
    /// It runs, and nothing else does.
    Alone,
}

impl Suspect {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The claim that no slot knows of yet.
    fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Apart(job) => Some(&job.claim),
            Self::None | Self::Alone => None,
        }
    }
}

impl Keeper {
    /// Looks for a suspect among what a fetch brought, and returns what may start now: all, or nothing.
    pub(super) fn set_apart(&mut self, mut jobs: Vec<Job>) -> Vec<Job> {
        let Some(place) = jobs.iter().position(|job| job.crashes >= SUSPECT_AFTER) else {
            return jobs;
        };
        let suspect = jobs.remove(place);
        let Job { claim, message, crashes, .. } = &suspect;
        let back = self.pool.give_back() + jobs.len();
        let running = self.pool.running();
        warn!(
            target: "common::worker",
            "{} in {}: {crashes} workers died with it, so it runs alone; {back} that wait go back, {running} that run end first",
            message.message_id, claim.queue
        );
        self.pool.end(jobs.into_iter().map(|job| head(job.claim)));
        self.suspect = Suspect::Apart(suspect);
        Vec::new()
    }

    /// Lets the suspect run as soon as nothing else is claimed, and everything else as soon as it has ended.
    pub(super) fn go_on_with_suspect(&mut self) {
        if self.suspect.is_none() || self.finishing || !self.unfinished.is_empty() || !self.pool.is_quiet() {
            return;
        }
        match std::mem::replace(&mut self.suspect, Suspect::Alone) {
            Suspect::Apart(job) => self.pool.deliver([job]),
            Suspect::Alone | Suspect::None => {
                self.suspect = Suspect::None;
                // What went back is there again.
                self.drained = false;
            }
        }
    }

    /// Others hold it now.
    pub(super) fn lose_suspect(&mut self, lost: &[Claim]) {
        if self.suspect.claim().is_some_and(|claim| lost.contains(claim)) {
            self.suspect = Suspect::None;
            self.drained = false;
        }
    }

    /// Somebody has cancelled it, so it does not have to run.
    pub(super) fn give_up_suspect(&mut self, cancelled: &[Claim]) {
        if self.suspect.claim().is_some_and(|claim| cancelled.contains(claim)) {
            self.give_back_suspect();
            self.drained = false;
        }
    }

    /// It did not run.
    pub(super) fn give_back_suspect(&mut self) {
        if let Suspect::Apart(job) = std::mem::replace(&mut self.suspect, Suspect::None) {
            self.pool.end([head(job.claim)]);
        }
    }
}
