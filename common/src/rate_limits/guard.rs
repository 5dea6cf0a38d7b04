//! A slot that is held.

use crate::broker::HeldSlot;
use crate::error::StoreError;

/// A slot of a [`Concurrent`](super::Concurrent) limit, which is held as long as this lives.
///
/// Dropping it gives the slot back in the background, and never blocks; [`Guard::release`] tells when that has happened. A program that ends
/// right after the drop may be faster: then the slot is free after its lease. Its broker stays connected as long as this lives. All guards of a broker are renewed in one call, each third of a
/// lease.
#[derive(Debug)]
#[must_use = "the slot is given back as soon as this is dropped"]
pub struct Guard(pub(super) HeldSlot);

impl Guard {
    /// The limit's key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.key()
    }

    /// A number that is larger than that of any earlier holder of this limit. What is protected can remember the largest that it has seen, and
    /// refuse what comes with a smaller one: from a holder that has lost its slot and does not know it yet.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.0.fence
    }

    /// Whether the slot is lost, and others may have it: it was not renewed for the length of a lease, because the process was stopped or
    /// the store out of reach. Costs no call.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    /// Waits until the slot is lost. Cancel safe.
    pub async fn lost(&self) {
        self.0.lost().await;
    }

    /// Gives the slot back, and tells whether it was still held.
    ///
    /// # Errors
    ///
    /// What the store says; the slot is free after its lease at the latest.
    pub async fn release(self) -> Result<bool, StoreError> {
        self.0.release().await
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Guard::release`].
    pub fn release_blocking(self) -> Result<bool, StoreError> {
        self.0.release_blocking()
    }
}
