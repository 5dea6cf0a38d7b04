//! Two languages on one Redis: a real dramatiq 2.2.1, and us.
//!
//! ```text
//! corpus         bytes that dramatiq wrote, and bytes that it reads
//! generated      messages of both sides, through the other side and back
//! calls          every kind of call and parameter, both ways, between real workers
//! handover       what one side began to retry, the other one goes on with; dead letters
//! delayed        delayed messages of both sides, taken by workers of both sides
//! statements     X-001 to X-014: what each side relies on
//! full, restart  a server without room; one that goes away, or forgets everything
//! interleavings  written-out races with dramatiq's own script
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod calls;
mod corpus;
mod delayed;
mod full;
mod generated;
mod handover;
mod interleavings;
mod odd;
mod python;
mod restart;
#[allow(dead_code, reason = "another test's hands, of which not all are needed here")]
#[path = "../redis_store/rig.rs"]
mod rig;
mod statements;
mod world;
