//! A sender or a worker that tests run as a process of its own, so that it can be killed and stopped.
//!
//! ```text
//! peer send URL FIRST COUNT BATCH    sends `begin FIRST`, … in batches, and says `stored FROM` once a batch is acknowledged
//! peer work URL                      runs them; each says `begins N`, and `ran N` a moment later
//! peer drain URL                     runs `tick N`, which says and does nothing
//! peer climb URL                     runs steps of a pipeline: `climb FOLDER N` says `climbs N`, waits for the file N, and returns N + 1
//! peer hold URL KEY LIMIT TTL       takes a slot of a limit, whose TTL is in milliseconds, and says `holds FENCE`; says `lost` once it is, and `released`
//!                                    with whether it was still its own to give back
//! peer fork URL                      sends, forks, and says what its child may do, and what it may do itself after that
//! peer lock PATH                     begins to write to a database, says `locked`, and never ends it
//! ```
#![expect(clippy::print_stdout, reason = "the test reads it")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::thread;
use std::time::Duration;

use common::actor::{Declaration, actors};
use common::broker::Broker;
use common::rate_limits::Concurrent;
use common::worker::Worker;
use common::{actor, clock::Timestamp};
use fork::Fork;
use futures_util::FutureExt as _;
use rusqlite::Connection;
use tests::process::{PATIENCE, eventually};
use tokio::runtime::Builder;

/// How long a run takes: long enough for a kill to meet some in the middle. Nobody waits for anything by it.
const RUN: Duration = Duration::from_millis(2);

#[actor]
fn begin(number: u32) {
    println!("begins {number}");
    thread::sleep(RUN);
    println!("ran {number}");
}

#[actor]
fn tick(_number: u32) {}

#[actor(queue = "rust")]
fn climb(folder: String, step: u32) -> u32 {
    println!("climbs {step}");
    let file = Path::new(&folder).join(step.to_string());
    eventually(PATIENCE, || file.exists().then_some(())).unwrap_or_else(|| panic!("no file {}", file.display()));
    step + 1
}

#[actor(queue = "rust")]
fn arrive(step: u32) {
    println!("arrives at {step}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match *words {
        ["send", url, first, count, batch] => {
            runtime.block_on(send(url, first.parse()?, count.parse()?, batch.parse()?))
        }
        ["work", url] => runtime.block_on(work(url, actors![begin])),
        ["climb", url] => runtime.block_on(work(url, actors![climb, arrive])),
        ["drain", url] => runtime.block_on(work(url, actors![tick])),
        ["hold", url, key, limit, ttl] => {
            let limit = Concurrent::new(key, limit.parse()?).ttl(Duration::from_millis(ttl.parse()?));
            runtime.block_on(hold(url, limit))
        }
        ["fork", url] => {
            let broker = runtime.block_on(Broker::connect(url))?;
            // In the child, it would wait for threads that did not come along.
            std::mem::forget(runtime);
            fork(broker, url)
        }
        ["lock", path] => lock(path),
        _ => {
            Err("peer send URL FIRST COUNT BATCH, peer work URL, peer drain URL, peer climb URL, peer hold URL KEY LIMIT TTL, peer fork URL, or peer lock PATH"
                .into())
        }
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

async fn work(url: &str, actors: &[&'static Declaration]) -> Result<(), Box<dyn Error>> {
    let worker = Worker::new(Broker::connect(url).await?).threads(4).actors(actors);
    worker.on_ready(|| println!("ready")).run().await?;
    Ok(())
}

async fn hold(url: &str, limit: Concurrent) -> Result<(), Box<dyn Error>> {
    let broker = Broker::connect(url).await?;
    let slot = limit.acquire_within(&broker, PATIENCE).await?;
    println!("holds {}", slot.fence());
    slot.lost().await;
    println!("lost {}", slot.is_lost());
    println!("released {}", slot.release().await?);
    Ok(stdout().flush()?)
}

fn fork(broker: Broker, url: &str) -> Result<(), Box<dyn Error>> {
    let message = begin::message(1).send_blocking(&broker)?;
    stdout().flush()?;
    match fork::fork()? {
        Fork::Child => {
            // The runtime did not come along either, and no refusal needs one.
            let refusals = [
                begin::message(2).send_blocking(&broker).err().map(|error| error.to_string()),
                begin::send(&broker, 3).now_or_never().and_then(Result::err).map(|error| error.to_string()),
                broker.result(&message).now_or_never().and_then(Result::err).map(|error| error.to_string()),
                broker
                    .wait_for_result(&message, RUN)
                    .now_or_never()
                    .and_then(Result::err)
                    .map(|error| error.to_string()),
                broker.queues(None, 1).now_or_never().and_then(Result::err).map(|error| error.to_string()),
                run_once(&broker).now_or_never().and_then(Result::err).map(|error| error.to_string()),
            ];
            for refusal in refusals {
                println!("{}", refusal.unwrap_or_else(|| "not refused".to_owned()));
            }
            drop(broker);
            // SQLite takes the locks on a file that was open at the fork for its own.
            if !url.starts_with("sqlite:") {
                let own = Builder::new_current_thread().enable_all().build()?.block_on(Broker::connect(url))?;
                begin::message(4).send_blocking(&own)?;
                println!("the child sends by a broker of its own");
            }
        }
        Fork::Parent(child) => {
            let status = fork::waitpid(child)?;
            if !(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0) {
                return Err(format!("the child ended with {status}").into());
            }
            println!("the child ends well");
            begin::message(5).send_blocking(&broker)?;
            println!("the parent sends once more");
        }
    }
    Ok(stdout().flush()?)
}

async fn run_once(broker: &Broker) -> Result<(), Box<dyn Error>> {
    Worker::new(broker.clone()).actors(actors![begin]).run().await?;
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
