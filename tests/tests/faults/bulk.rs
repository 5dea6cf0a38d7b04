//! Very many messages: what a worker keeps, and how long a step holds the server, does not grow with them.

use std::path::Path;
use std::time::Duration;

use common::actor;
use common::call::Call;
use common::composition::{Progress, group};
use tests::process::Process;

use crate::rig::*;

/// All of them together would take more than a hundred megabytes in a worker.
const MANY: u32 = 100_000;

/// In kilobytes. A worker of few messages takes a third of it, in a debug build.
const LITTLE: u64 = 40_000;

/// Time for all of them to be stored.
const SOON: Duration = Duration::from_secs(8);

/// How long a step may take, in microseconds. On a machine that is busy, the server may be stopped in the middle of one; so a longer
/// one counts only where it is a good part ([`PART`]) of what all steps together took: as one that moves all of them at once is.
const STEP: u64 = 250_000;
const PART: u64 = 8;

/// As `peer drain` has it.
#[actor]
fn tick(_number: u32) {}

/// Stores all of them, each made of a call by `shape`.
async fn fill(rig: &Rig, shape: impl Fn(Call<tick>) -> Call<tick>) {
    let now = rig.broker.clock().now();
    let messages = (0..MANY).map(|number| shape(tick::message(number)).message(now).unwrap());
    rig.broker.enqueue(messages.collect()).await.unwrap();
}

fn worker(rig: &Rig) -> Process {
    let url = format!("{}?namespace={}", rig.server.url(), rig.namespace);
    let worker = Process::start(Path::new(env!("CARGO_BIN_EXE_peer")), &["drain", &url], &[]);
    tokio::task::block_in_place(|| worker.wait_for_line("ready"));
    worker
}

/// The most memory that a process has ever had, in kilobytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Looks at how long the server was held up.
fn expect_short_steps(rig: &Rig) {
    let slow: Vec<Vec<redis::Value>> = rig.redis(&["SLOWLOG", "GET", "-1"]);
    let longest =
        slow.iter().map(|entry| redis::from_redis_value_ref::<u64>(&entry[2]).unwrap()).max().unwrap_or_default();
    let stats: String = rig.redis(&["INFO", "commandstats"]);
    let scripts = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")).expect("every step is a script");
    let all: u64 =
        scripts.split(',').find_map(|field| field.strip_prefix("usec=")?.parse().ok()).expect("Redis counts them");
    assert!(longest <= all / PART, "a step took {longest} of the {all} µs that all of them took");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_messages_are_drained_in_little_memory() {
    let rig = Rig::new().await;
    fill(&rig, |call| call).await;
    let worker = worker(&rig);
    rig.settle(0).await;
    assert!(peak(&worker) < LITTLE, "{} kB", peak(&worker));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_that_are_due_at_once_are_moved_in_short_steps() {
    let rig = Rig::new().await;
    let _: String = rig.redis(&["CONFIG", "SET", "slowlog-log-slower-than", &STEP.to_string()]);
    let due = rig.broker.clock().now() + SOON;
    fill(&rig, |call| call.at(due)).await;
    let worker = worker(&rig);
    rig.settle(0).await;
    expect_short_steps(&rig);
    assert!(peak(&worker) < LITTLE, "{} kB", peak(&worker));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_members_of_a_group_are_sent_and_counted_in_short_steps() {
    let rig = Rig::new().await;
    let _: String = rig.redis(&["CONFIG", "SET", "slowlog-log-slower-than", &STEP.to_string()]);
    let sent = group((0..MANY).map(tick::message)).then(tick::message(MANY)).send(&rig.broker).await.unwrap();
    let worker = worker(&rig);
    rig.settle(0).await;
    let done = Progress { done: MANY, failed: 0, left: 0 };
    assert_eq!(sent.progress().await, Ok(Some(done)));
    expect_short_steps(&rig);
    assert!(peak(&worker) < LITTLE, "{} kB", peak(&worker));
    let seen: u32 = rig.redis(&["STRLEN", &format!("{}:seen", sent.name().unwrap())]);
    assert_eq!(seen, MANY / 8, "a bit for each of them");
}
