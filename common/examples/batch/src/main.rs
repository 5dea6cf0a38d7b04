//! A batch from a plain `main`: it sends a thousand messages as one, and waits for their results.
//!
//! Its worker runs in the same process, so that nothing else is needed. Started in another process, on the broker that
//! `BROKER_URL` names, it would do the same.

use std::env;
use std::error::Error;
use std::time::Duration;

use common::call::Sent;
use common::{Broker, Worker, actor, actors};

const MESSAGES: u64 = 1_000;

/// The square of `n`.
#[actor(store_results = true, result_ttl = "10m")]
fn square(n: u64) -> u64 {
    n * n
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("BROKER_URL").unwrap_or_else(|_| "memory:".to_owned());
    let broker = Broker::connect_blocking(&url)?;
    let worker = Worker::new(broker.clone()).actors(actors![square]).start();
    worker.ready_blocking()?;

    let sent = broker.send_all_blocking((0..MESSAGES).map(square::message))?;
    println!("sent {} messages to {}", sent.len(), broker.address());

    let squares: Vec<u64> = Sent::results_blocking(&sent, Duration::from_secs(30))?;
    for n in [0, 17, sent.len() - 1] {
        println!("{} is {}", sent[n], squares[n]);
    }
    worker.stop();
    println!("the worker's end: {:?}", worker.join_blocking()?);
    Ok(())
}
