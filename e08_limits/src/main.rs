//! What many runs may do only one at a time, or only so often. The notes are in README.rst.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io, thread};

use common::clock::Stopwatch;
use common::rate_limits::{Bucket, Concurrent, LimitError, Window};
use common::{Broker, actor, actors};
use tracing::info;

type Problem = Box<dyn Error + Send + Sync>;

/// A counter is a file beside the program.
fn file(counter: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(format!("{counter}.count")))
}

fn write(counter: &str, number: u32) -> io::Result<()> {
    // In place and of one length, so that nobody finds it empty or half written.
    let mut file = File::options().create(true).truncate(false).write(true).open(file(counter)?)?;
    file.write_all(format!("{number:10}").as_bytes())
}

/// One mutex for each counter.
fn mutex(counter: &str) -> Concurrent {
    Concurrent::mutex(format!("counter-{counter}"))
}

/// Adds one to a counter: reads it, waits a moment, and writes it.
#[actor]
fn add(counter: String) -> io::Result<()> {
    let text = fs::read_to_string(file(&counter)?).unwrap_or_default();
    let number = text.trim().parse().unwrap_or(0);
    info!("it was {number}");
    thread::sleep(Duration::from_millis(400));
    write(&counter, number + 1)?;
    info!("it is {}", number + 1);
    Ok(())
}

/// The same, one at a time. What finds the mutex taken is put off.
#[actor(max_retries = 0, min_backoff = "450ms")]
fn add_alone(broker: &Broker, counter: String) -> Result<(), Problem> {
    let _mutex = mutex(&counter).acquire_blocking(broker)?;
    Ok(add(counter)?)
}

/// The same, but what finds the mutex taken does nothing.
#[actor]
fn add_or_skip(broker: &Broker, counter: String) -> Result<(), Problem> {
    match mutex(&counter).acquire_blocking(broker) {
        Ok(_mutex) => add(counter)?,
        Err(LimitError::Exceeded(denied)) => info!("skipped: {denied}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Waits for a counter's mutex, a minute at most, and holds it for so many seconds.
#[actor]
fn hold(broker: &Broker, counter: String, seconds: f64) -> Result<(), LimitError> {
    let watch = Stopwatch::start();
    let _mutex = mutex(&counter).acquire_within_blocking(broker, Duration::from_secs(60))?;
    info!("to get it took {:.1} s", watch.elapsed().as_secs_f64());
    thread::sleep(Duration::from_secs_f64(seconds));
    Ok(())
}

/// Mails somebody: twice a second, from one full second to the next.
#[actor(max_retries = 0)]
fn mail(broker: &Broker, to: String) -> Result<(), LimitError> {
    Bucket::new(format!("mail-{to}"), 2, Duration::from_secs(1)).acquire_blocking(broker)?;
    info!("mailed");
    Ok(())
}

/// Rings somebody up: twice within the last five seconds.
#[actor(max_retries = 0)]
fn ring(broker: &Broker, whom: String) -> Result<(), LimitError> {
    Window::new(format!("ring-{whom}"), 2, 5).acquire_blocking(broker)?;
    info!("rung up");
    Ok(())
}

/// Sets a counter to 0.
async fn reset(_: Broker, counter: String) -> io::Result<()> {
    write(&counter, 0)?;
    info!("{counter} is 0");
    Ok(())
}

common::lab::main!(
    actors![add, add_alone, add_or_skip, hold, mail, ring],
    commands: [reset(counter: String) = "Sets a counter to 0"],
    demo: [
        "reset tea",
        "reset coffee",
        "add tea --times 4",
        "add_alone coffee --times 4" after "it is 2",
        "hold tea 1" after "it is 4",
        "add_or_skip tea" after "to get it took",
        "mail ada --times 5" after "skipped",
        "ring ada --times 3" after "mailed",
    ]
);
