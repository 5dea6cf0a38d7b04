//! The weaknesses, by what dramatiq does, or this project once did.

/// One weakness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// W-001: a retry is enqueued in a hook after the run. Where that fails, the error is logged, and the message acknowledged
    /// like any other.
    LostRetry,
    /// W-007: a retry is a copy that is enqueued, and then an acknowledgement. A crash in between leaves both.
    CopiedRetry,
    /// W-008: a delayed message that comes due is enqueued as a copy, and then acknowledged. A crash in between leaves both.
    CopiedPromotion,
    /// W-015: a message that cannot be read ends the consumer that fetched it. The rest of the batch stays claimed by a worker
    /// that lives and does not know of it. Only to Redis can anybody send such bytes.
    ForgottenBatch,
    /// W-017: delayed messages come in the order of their sending, so one waits for those before it, even if they are due later.
    DelaysInLine,
    /// A1, of workers and no store: a worker stood still and lost a claim, fetched the message once more, and takes the end of the
    /// first run for the end of the second.
    LateEnd,
    /// A14: more messages than fit one call are requeued in several, in their order, so that each call's go before those
    /// of the one before it.
    HeadsInChunks,
}

/// How many completions fit one call of [`Weakness::HeadsInChunks`].
pub(crate) const CHUNK: usize = 2;

/// A command fails, or a process ends between two commands, once in so many times.
pub(crate) const ONCE_IN: u64 = 3;
