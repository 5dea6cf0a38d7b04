//! An executable model of a queue, and random sequences that hold it against a store.
//!
//! ```text
//! places      the model: which message lies where and who holds which limit, as plain data, and what each call makes of it
//! tolerances     where stores may differ, and how one of them does
//! operation   what may happen, as data
//! play        the same on a store and on the model, side by side
//! python      dramatiq's own script, which takes part on Redis, and what its rules lead to
//! sequence    drawn by a seed, played; one that fails is made shorter, and told
//! coverage    what has been reached
//! ```
//!
//! What a store shows has to agree, after every step, with what a person would expect who has read the contract. Nothing here looks
//! at the store's own data, but for the bodies in Redis: those Python reads as well, so dramatiq's rules have to lead to each.
//!
//! Limits and barriers have sequences of their own: nothing of them has to do with messages. There dramatiq's own classes take part on Redis.
//!
//! At the end of some sequences all that is left is worked off, by Rust alone or by Python alone.

pub mod coverage;
pub mod operation;
pub mod places;
pub mod python;
pub mod random;
pub mod runner;
pub mod sequence;
pub mod tolerances;
