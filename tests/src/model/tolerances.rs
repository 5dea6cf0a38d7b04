//! Where stores may differ, and the model follows.

use common::store::DEAD_LETTER_TTL;
use std::time::Duration;

/// What the contract leaves open, and how one store fills it. What is not here has to be the same on all of them.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a tolerance of its own")]
pub struct Tolerances {
    /// Whether a new message lies under its id, and is known again by it. A second one of the same id lies beside it under another
    /// name, and is not known again; where names are the store's own affair, it is.
    pub names_are_ids: bool,
    /// Whether joining does the upkeep of a first beat at once; the contract asks only that it counts as one.
    pub join_looks_after_queues: bool,
    /// For how long a claim that its worker doesn't know of is left alone: until no call can be under way any more.
    pub surplus_after: Duration,
    /// How often a worker's beats look for dead letters that were kept long enough.
    pub expire_every: Duration,
    /// For how long after a beat of a queue's workers the order of priorities, and the index of delays, are kept up; `None`
    /// for always. Without them a message with a priority joins the others, at the end or at the head, and a delayed one waits
    /// for the next beat to be looked at. Redis needs that to leave Python what it can understand.
    pub fleet: Option<Duration>,
    /// Whether what a dead worker held goes before all others of priority 0, whatever its own: Redis moves it without a look into
    /// the bodies, which may be large.
    pub recovers_without_priority: bool,
    /// Whether a message that was sent again after its death, and ends in the very same one, leaves one letter: Redis takes it
    /// for a repeated call.
    pub keeps_the_same_letter_once: bool,
    /// How many bodies of a queue a search has to go through, because the names there don't tell.
    pub depth: usize,
    /// Whether a result outlives its time where only a manual clock has moved: Redis forgets by its own clock.
    pub results_by_own_clock: bool,
}

impl Tolerances {
    /// Of the store in memory.
    pub const MEMORY: Self = Self {
        names_are_ids: true,
        join_looks_after_queues: false,
        surplus_after: Duration::from_secs(4),
        expire_every: Duration::ZERO,
        fleet: None,
        recovers_without_priority: false,
        keeps_the_same_letter_once: false,
        depth: 0,
        results_by_own_clock: false,
    };

    /// Of the store in a SQLite file.
    pub const SQLITE: Self = Self {
        names_are_ids: false,
        join_looks_after_queues: true,
        expire_every: Duration::from_secs(60),
        ..Self::MEMORY
    };

    /// Of the store on Redis.
    pub const REDIS: Self = Self {
        names_are_ids: true,
        join_looks_after_queues: true,
        surplus_after: Duration::from_secs(4),
        expire_every: Duration::from_secs(60),
        fleet: Some(Duration::from_secs(5)),
        recovers_without_priority: true,
        keeps_the_same_letter_once: true,
        depth: 1_000,
        results_by_own_clock: true,
    };
}

/// Past this age a dead letter may be gone, whoever notices.
pub(super) const KEPT: Duration = DEAD_LETTER_TTL;
