//! A sender or a worker that tests run as a process of its own, so that it can be killed and stopped.
//!
//! ```text
//! peer send URL FIRST COUNT BATCH    sends `begin FIRST`, … in batches, and says `stored FROM` once a batch is acknowledged
//! peer work URL                      runs them; each says `begins N`, and `ran N` a moment later
//! peer lock PATH                     begins to write to a database, says `locked`, and never ends it
//! ```
#![expect(clippy::print_stdout, reason = "the test reads it")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::thread;
use std::time::Duration;

use common::actor::actors;
use common::broker::Broker;
use common::worker::Worker;
use common::{actor, clock::Timestamp};
use rusqlite::Connection;
use tokio::runtime::Builder;

/// Long enough for a kill to meet some in the middle.
const RUN: Duration = Duration::from_millis(2);

#[actor]
fn begin(number: u32) {
    println!("begins {number}");
    thread::sleep(RUN);
    println!("ran {number}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match *words {
        ["send", url, first, count, batch] => {
            runtime.block_on(send(url, first.parse()?, count.parse()?, batch.parse()?))
        }
        ["work", url] => runtime.block_on(work(url)),
        ["lock", path] => lock(path),
        _ => Err("peer send URL FIRST COUNT BATCH, peer work URL, or peer lock PATH".into()),
    }
}

async fn send(url: &str, first: u32, count: u32, batch: usize) -> Result<(), Box<dyn Error>> {
    let broker = Broker::connect(url).await?;
    println!("ready");
    for from in (first..first + count).step_by(batch) {
        let numbers = (from..first + count).take(batch);
        let now: Timestamp = broker.clock().now();
        let messages = numbers.map(|number| begin::message(number).message(now)).collect::<Result<_, _>>()?;
        broker.enqueue(messages).await?;
        println!("stored {from}");
    }
    Ok(stdout().flush()?)
}

async fn work(url: &str) -> Result<(), Box<dyn Error>> {
    let worker = Worker::new(Broker::connect(url).await?).threads(4).actors(actors![begin]);
    worker.on_ready(|| println!("ready")).run().await?;
    Ok(())
}

fn lock(path: &str) -> Result<(), Box<dyn Error>> {
    let connection = Connection::open(path)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    println!("locked");
    loop {
        thread::park();
    }
}
