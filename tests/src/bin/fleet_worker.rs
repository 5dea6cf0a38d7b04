//! A Rust worker of the mixed fleet, to be killed: what it runs, it writes into a ledger that all workers of the fleet share.
//!
//! ```text
//! fleet_worker URL LEDGER NAME     each line of the ledger: NAME begin JOB PART ATTEMPT ARGUMENTS, or NAME end JOB PART
//! ```
#![expect(clippy::print_stdout, reason = "the test reads it")]

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::broker::Broker;
use common::message::{ParseError, Raw};
use common::worker::Worker;

/// More deaths than any message meets by chance: none is to die of them.
const MAX_CRASHES: u32 = 1_000;

#[actor(queue = "rust")]
fn run_rust(ledger: &Ledger, context: &Context, job: u32, part: u32, text: String, big: i128, float: f64) -> Ran {
    run(ledger, context, (job, part), (&text, big, float))
}

#[actor(queue = "shared")]
fn run_shared(ledger: &Ledger, context: &Context, job: u32, part: u32, text: String, big: i128, float: f64) -> Ran {
    run(ledger, context, (job, part), (&text, big, float))
}

#[actor(queue = "rust")]
fn step_rust(ledger: &Ledger, context: &Context, job: u32, part: u32, sum: i128) -> Ran {
    step(ledger, context, (job, part), sum)
}

#[actor(queue = "shared")]
fn step_shared(ledger: &Ledger, context: &Context, job: u32, part: u32, sum: i128) -> Ran {
    step(ledger, context, (job, part), sum)
}

/// How a run ends.
type Ran = Result<i128, Box<dyn Error + Send + Sync>>;

fn run(ledger: &Ledger, context: &Context, id: (u32, u32), body: (&str, i128, f64)) -> Ran {
    let (text, big, float) = (body.0.to_owned(), body.1, body.2);
    let read = [Raw::encode(&id.0), Raw::encode(&id.1), Raw::encode(&text), Raw::encode(&big), Raw::encode(&float)];
    ledger.run(context, id, read, big + i128::from(id.0))
}

fn step(ledger: &Ledger, context: &Context, id: (u32, u32), sum: i128) -> Ran {
    ledger.run(context, id, [Raw::encode(&id.0), Raw::encode(&id.1), Raw::encode(&sum)], sum + 1)
}

/// Where all workers of the fleet write.
struct Ledger {
    name: String,
    file: File,
}

impl Ledger {
    fn open(path: &str, name: &str) -> io::Result<Self> {
        Ok(Self { name: name.to_owned(), file: OpenOptions::new().append(true).open(path)? })
    }

    /// Each line is one write, so that lines of several workers do not mix.
    fn write(&self, line: &str) -> io::Result<()> {
        (&self.file).write_all(format!("{} {line}\n", self.name).as_bytes())
    }

    /// A run, which fails as often as its message says, and whose arguments are what they were on the wire.
    fn run<const N: usize>(
        &self,
        context: &Context,
        (job, part): (u32, u32),
        read: [Result<Raw, ParseError>; N],
        result: i128,
    ) -> Ran {
        let args = &context.message().args;
        let texts: Vec<_> = args.iter().map(Raw::as_str).collect();
        self.write(&format!("begin {job} {part} {} [{}]", context.attempt(), texts.join(",")))?;
        let read = read.into_iter().collect::<Result<Vec<_>, _>>()?;
        assert_eq!(*args, read, "what was read, on the wire");
        // How long the run takes, so that kills meet some in the middle. Nobody waits for anything by it.
        thread::sleep(Duration::from_millis(u64::from(job * 7 % 8)));
        if context.attempt() <= context.message().options.read("fails").unwrap_or_default() {
            return Err("once more".into());
        }
        self.write(&format!("end {job} {part}"))?;
        Ok(result)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, ledger, name] = words.as_slice() else { return Err("fleet_worker URL LEDGER NAME".into()) };
    let worker = Worker::new(Broker::connect(url).await?).threads(4).max_crashes(MAX_CRASHES);
    let worker = worker.actors(actors![run_rust, run_shared, step_rust, step_shared]);
    worker.state(Ledger::open(ledger, name)?).on_ready(|| println!("ready")).run().await?;
    Ok(())
}
