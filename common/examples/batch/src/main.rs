//! A batch from a plain `main`: the checksums of many files, sent as one batch, and collected in their order.
//!
//! ```text
//! batch [HOW MANY CALLS [HOW MANY BYTES EACH READS]]
//! ```
//!
//! Its worker runs in the same process, so that nothing else is needed. Started in another process, on the broker that
//! `BROKER_URL` names, it would do the same. First the same work is done by plain threads, as many as the worker has: the
//! difference is what the batch costs.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use common::{Broker, Worker, actor, actors};

/// How many files there are; one is read by many calls.
const FILES: usize = 16;

/// More than any batch here takes.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The FNV-1a sum of a file.
#[actor(store_results = true, result_ttl = "10m", max_retries = 0)]
fn checksum(path: PathBuf) -> io::Result<u64> {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    Ok(fs::read(path)?.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<usize>());
    let calls = arguments.next().transpose()?.unwrap_or(1_000);
    let bytes = arguments.next().transpose()?.unwrap_or(10_000);
    let folder = env::temp_dir().join(format!("batch-{}", process::id()));
    fs::create_dir(&folder)?;
    let outcome = compare(&folder, calls, bytes);
    fs::remove_dir_all(&folder)?;
    outcome
}

/// The same work by plain threads, and as a batch.
fn compare(folder: &Path, calls: usize, bytes: usize) -> Result<(), Box<dyn Error>> {
    let threads = thread::available_parallelism()?.get();
    let files: Vec<PathBuf> = (0..FILES).map(|number| folder.join(number.to_string())).collect();
    for (file, byte) in files.iter().zip(0..) {
        fs::write(file, vec![byte; bytes])?;
    }
    let path = |call: usize| files[call % FILES].clone();

    let (began, next) = (Instant::now(), AtomicUsize::new(0));
    let take_turns = || -> io::Result<u64> {
        let mut all = 0_u64;
        loop {
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call >= calls {
                return Ok(all);
            }
            all = all.wrapping_add(checksum(path(call))?);
        }
    };
    let sum = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(take_turns)).collect();
        running.into_iter().try_fold(0_u64, |all, thread| {
            Ok::<_, io::Error>(all.wrapping_add(thread.join().expect("a checksum does not panic")?))
        })
    })?;
    let alone = began.elapsed();

    let url = env::var("BROKER_URL").unwrap_or_else(|_| "memory:".to_owned());
    let broker = Broker::connect_blocking(&url)?;
    let worker = Worker::new(broker.clone()).actors(actors![checksum]).threads(threads).start();
    worker.ready_blocking()?;
    let began = Instant::now();
    let sent = checksum::batch((0..calls).map(path)).send_blocking(&broker)?;
    println!("sent {calls} calls to {} in {:.1?}: {:?}", broker.address(), began.elapsed(), sent.progress_blocking()?);
    let mut collected = 0_u64;
    for sum in sent.each_result_blocking::<u64>(PATIENCE) {
        collected = collected.wrapping_add(sum?);
    }
    let batch = began.elapsed();
    worker.stop();
    worker.join_blocking()?;
    assert_eq!(collected, sum, "the batch and the threads read the same");
    let ratio = batch.as_secs_f64() / alone.as_secs_f64();
    println!(
        "{bytes} bytes a call, {threads} threads: {alone:.1?} alone, {batch:.1?} as a batch: {ratio:.2} times that"
    );
    if let Some(most) = most_memory() {
        println!("memory at most: {most}");
    }
    Ok(())
}

/// The most memory that the process had, where the system tells.
fn most_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|most| most.trim().to_owned())
}
