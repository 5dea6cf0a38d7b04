//! Background tasks that lose nothing, on dramatiq's wire format.
//!
//! An *actor* is a function that can be called through a *broker*: the call becomes a *message*, waits in a *store*, and a
//! *worker*, some process or other, runs it. Failed messages are retried, those of a killed worker are run by another one,
//! and what cannot be run is kept with its reason. On Redis all of this is shared with Python's [dramatiq].
//!
//! ```
//! use common::{Broker, Worker, actor, actors};
//!
//! #[actor(max_retries = 3)]
//! fn greet(name: String) {
//!     println!("Hello, {name}!");
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::connect("memory:").await?;     // "redis://localhost:6379" is shared with other processes
//! greet::send(&broker, "world").await?;               // typed: a wrong argument does not compile
//! Worker::new(broker).actors(actors![greet]).run_until_idle().await?;     // `run` goes on until it is stopped
//! # Ok(())
//! # }
//! ```
//!
//! [`Worker::start`] starts a worker inside of a program that does something else beside. Three programs, as others would write
//! them, stand in `examples`: `outside` is the least, `batch` a plain `main`, `server` a web server with a worker inside.
//!
//! # The journey of a message
//!
//! ```text
//!  sender                                   worker
//!  ------                                   ------
//!  count_to::send(&broker, 3)               Consumer         waits, then fetches what it has room for
//!    └ Call    → Message                      └ LocalQueue   one queue, that free slots take the first of
//!      └ Broker: before_enqueue hooks           └ Executor   arguments → before_run hooks → actor → Outcome
//!        └ Store::enqueue(batch)                  └ ending hooks: Outcome → Completion (a disposition, and effects)
//!              └ Redis │ SQLite │ memory            └ Store::finish(batch): one step a message; then observers hear of it
//! ```
//!
//! Downwards, a file a step:
//!
//! | step | where |
//! | --- | --- |
//! | an actor is declared, and a call built | [`actor`](mod@actor), [`call`] |
//! | calls that follow from each other | [`composition`] |
//! | limits that many processes share, inside of an actor | [`rate_limits`] |
//! | the call as it travels | [`message`] |
//! | the handle that people hold, and the thread that its connections live on | [`broker`] |
//! | the contract of what keeps messages; on Redis, in a file, in memory | [`store`]; [`stores`] |
//! | the worker's loop, its slots, and how one message is run | [`worker`] |
//! | how a run ended, and what the hooks make of it | [`outcome`], [`middleware`] |
//! | who hears what became of it | [`observe`] |
//! | looking inside, and moving by hand what lies there | [`broker`], [`store::Inspect`], [`explain`] |
//! | what a program's tests need | [`testing`] |
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | *registration* | a worker, as a store knows it: its id, and its queues |
//! | *claim* | a worker's hold on a message that it has fetched; it ends with a *completion*, or is taken over when its worker is dead |
//! | *completion* | how a claim ends: the message's *disposition*, and the *effects* of the same step |
//! | *disposition* | where the message goes: ack, requeue, retry, defer, release, dead letter |
//! | *release* | back to the head of its queue as it was, for it was not run; people read *requeued* in the log |
//! | *dead letter* | a message that is not run again, kept with its reason |
//! | *slot* | room for one run in a worker |
//! | *consumer*, *local queue*, *executor* | the worker's loop; what it has fetched and not started; what runs one message |
//! | *I/O thread* | the thread that a broker's connections, and its workers' loops, live on |
//!
//! # Promises
//!
//! A message runs at least once from the moment its sending succeeds, as far as the store keeps what it acknowledged. It runs
//! again only when its actor failed, its worker died or lost its claim on it, its sender repeated a call whose outcome
//! was unknown (and which had been stored, run and ended by then), or the store went back in time. The end of a run and all that
//! it brings about are one step.
//!
//! # Features
//!
//! `redis`, on by default: the store on Redis. `tls`: TLS on the way to it. `sqlite`: the store in a file; it compiles SQLite. `cli`: a
//! command line for a program with actors. `metrics`: numbers for Prometheus. `lab`: both of them with all stores, and TLS, as the lab's
//! experiments need it. `conformance`: the contract as
//! tests, for stores of your own.
//!
//! [dramatiq]: https://dramatiq.io

pub mod actor;
pub mod backoff;
pub mod broker;
pub mod call;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod composition;
#[cfg(feature = "conformance")]
#[expect(clippy::missing_panics_doc, reason = "a broken promise panics, as the module says")]
pub mod conformance;
mod connect;
mod duration;
pub mod error;
pub mod explain;
#[cfg(feature = "cli")]
pub mod lab;
pub mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod middleware;
pub mod observe;
pub mod outcome;
pub mod queue_name;
pub mod rate_limits;
pub mod results;
pub mod store;
pub mod stores;
pub mod testing;
mod url;
#[cfg(any(feature = "cli", feature = "sqlite"))]
mod watching;
pub mod worker;

pub use common_macros::actor;

pub use self::actor::Context;
pub use self::broker::Broker;
pub use self::message::Message;
pub use self::outcome::Retry;
pub use self::worker::Worker;
