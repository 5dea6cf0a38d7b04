//! The test kit: what tests need that no single crate owns.
//!
//! ```text
//! redis      a Redis for this test process, found or made; private servers for fault tests
//! proxy      a TCP proxy that stalls, cuts and swallows, in front of any of them
//! process    experiments as child processes: read line by line, signalled, never left behind
//! lab        an experiment: its workers, and its senders
//! queue      messages to fill a queue with
//! python     a real dramatiq beside us, out of requirements-dev.txt
//! log        what varies in a log is checked, then replaced, then pinned as a snapshot
//! model      an executable model of a queue, held against stores under random sequences
//! evidence   tables of what has to hold, with the tests that show it
//! notes      the log excerpts in an experiment's README.rst, held against the pinned logs
//! workspace  where things lie, and the environment variables that steer the kit
//! ```
//!
//! Everything starts at its first use, and everything panics: a test that can't get what it needs fails with a message that
//! says how to get it; nothing is skipped. The API is synchronous, because experiments are processes.
//!
//! Nothing here relies on being dropped. A test process may be killed, and what lies in a static is never dropped, so whatever is
//! started outside watches for the end of its test process by itself: child processes through [`process`]'s reaper, the
//! container through a named connection ([`redis`]).

pub mod evidence;
pub mod lab;
pub mod log;
pub mod model;
pub mod notes;
pub mod process;
pub mod proxy;
pub mod python;
pub mod queue;
pub mod redis;
pub mod workspace;
