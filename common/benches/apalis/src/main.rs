//! Drains no-op tasks with apalis-sqlite, and prints how many a second: `apalis_bench FILE TASKS`.
//!
//! A WAL with synchronous NORMAL, as ours has; batches of 256, eight at a time. Results are persisted: without that, tasks are
//! never marked as done (seen in 1.0.0), so nothing would be acknowledged.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt as _;
use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePoolOptions, SqliteStorage};
use futures::stream;

#[derive(Clone)]
struct Tally {
    executed: Arc<AtomicUsize>,
    expected: usize,
}

async fn no_op(_: usize, tally: Data<Tally>, worker: WorkerContext) -> Result<(), BoxDynError> {
    if tally.executed.fetch_add(1, Ordering::Relaxed) + 1 == tally.expected {
        worker.stop()?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (file, tasks) = (arguments.next().ok_or("which file?")?, arguments.next().ok_or("how many tasks?")?.parse()?);
    let options: SqliteConnectOptions = format!("sqlite://{file}?mode=rwc").parse()?;
    let options =
        options.pragma("journal_mode", "WAL").pragma("synchronous", "NORMAL").busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new().connect_with(options).await?;
    SqliteStorage::setup(&pool).await?;
    let config = Config { batch_size: 256, ..Config::default() };
    let mut backend = SqliteStorage::new(&pool).with_config(config);
    backend.push_all(&mut stream::iter((0..tasks).map(|number| TaskBuilder::new(number).build()))).await?;
    let tally = Tally { executed: Arc::default(), expected: tasks };
    let begun = Instant::now();
    WorkerBuilder::new("bench")
        .backend(backend.poll_with_interval(Duration::from_millis(1)))
        .concurrency(8)
        .data(tally.clone())
        .build(no_op)
        .run()
        .await?;
    let executed = tally.executed.load(Ordering::Relaxed);
    if executed != tasks {
        return Err(format!("{executed} of {tasks} tasks were executed").into());
    }
    println!("{:.0}", tasks as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
