//! What is sent: jobs of one message or several, drawn by a seed.

use std::fmt::Write as _;
use std::time::Duration;

use common::actor::{Actor as _, Declaration};
use common::call::Call;
use common::message::Raw;
use tests::model::random::Random;

/// How long results are kept: longer than the longest test.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(6 * 60 * 60);

/// Texts that are written in different ways by different programs.
const TEXTS: [&str; 6] =
    ["", "plain", "\u{e9}\u{2603} \u{1d11e}", "\"quoted\" \\ / \u{8}\n\t", "\u{7f}\u{0}\u{ffff}", "\u{1f980}"];

/// Numbers of any size.
const BIGS: [i128; 5] = [0, -1, 1 << 63, 1_000_000_000_000_000_000_000_000_000_000, i128::MIN / 2];

/// Of each, both languages write the same digits.
const FLOATS: [f64; 8] = [0.1, -0.0, 1e300, 0.000_15, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// Who sends a job, and where parts of it run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Rust,
    Python,
}

/// The queues: one of each side, and one whose actors both know.
#[derive(Clone, Copy, Debug)]
enum Place {
    Rust,
    Python,
    Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One message.
    Single,
    /// Each part gets the result of the one before it.
    Pipeline,
    /// The last part comes once all others are done.
    Group,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) sender: Side,
    pub(crate) shape: Shape,
    pub(crate) parts: Vec<Part>,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) actor: &'static Declaration,
    /// As they are given; a step gets one more.
    args: Vec<Raw>,
    /// All that it is called with, as one JSON list.
    pub(crate) called_with: String,
    /// How long it waits, in milliseconds.
    delay: u32,
    /// How many of its attempts fail.
    fails: u32,
    /// How many retries it has.
    retries: u32,
    /// What it returns, where that is kept.
    pub(crate) kept: Option<i128>,
}

impl Part {
    /// How often it is run where nothing is killed.
    pub(crate) fn attempts(&self) -> usize {
        usize::try_from(self.fails.min(self.retries) + 1).unwrap_or_default()
    }

    /// Whether it ends as a dead letter.
    pub(crate) fn is_doomed(&self) -> bool {
        self.fails > self.retries
    }

    pub(crate) fn call(&self) -> Call {
        let mut call = Call::new(self.actor, self.args.iter().cloned().map(Ok)).max_retries(self.retries);
        call = call.min_backoff(Duration::from_millis(10)).max_backoff(Duration::from_millis(200));
        call = call.option("fails", Raw::from(self.fails));
        if self.delay > 0 {
            call = call.delay(Duration::from_millis(self.delay.into()));
        }
        if self.kept.is_some() { call.store_results(KEPT_FOR) } else { call }
    }

    /// The same for Python, as JSON.
    fn json(&self) -> String {
        let args = list(&self.args);
        let (fails, retries, delay) = (self.fails, self.retries, self.delay);
        let mut options = format!(r#""max_retries":{retries},"min_backoff":10,"max_backoff":200,"fails":{fails}"#);
        if self.kept.is_some() {
            let _ = write!(options, r#","store_results":true,"result_ttl":{}"#, KEPT_FOR.as_millis());
        }
        format!(r#"{{"actor":"{}","args":{args},"options":{{{options}}},"delay":{delay}}}"#, self.actor.name)
    }
}

/// A JSON list.
fn list(values: &[Raw]) -> String {
    format!("[{}]", values.iter().map(Raw::as_str).collect::<Vec<_>>().join(","))
}

/// Jobs of so many messages, or a few more.
pub(crate) fn draw(random: &mut Random, messages: usize) -> Vec<Job> {
    let (mut jobs, mut count) = (Vec::new(), 0);
    while count < messages {
        let job = job(random, u32::try_from(jobs.len()).unwrap_or_default());
        count += job.parts.len();
        jobs.push(job);
    }
    jobs
}

/// The jobs that Python sends, as JSON.
pub(crate) fn for_python(jobs: &[Job]) -> String {
    let mut lines = Vec::new();
    for job in jobs.iter().filter(|job| job.sender == Side::Python) {
        let parts: Vec<_> = job.parts.iter().map(Part::json).collect();
        let shape = format!("{:?}", job.shape);
        lines.push(format!(r#"{{"number":{},"shape":"{shape}","parts":[{}]}}"#, job.number, parts.join(",")));
    }
    format!("[{}]", lines.join(",\n"))
}

fn job(random: &mut Random, number: u32) -> Job {
    let sender = if random.chance(50) { Side::Rust } else { Side::Python };
    let percent = random.below(100);
    let short = |random: &mut Random, most| u32::try_from(random.below(most)).unwrap_or_default();
    let (shape, parts) = match percent {
        78..90 => {
            let steps = short(random, 4) + 2;
            let first = random.chance(50);
            let mut step = |part: u32| {
                let by_turns = if part.is_multiple_of(2) == first { Place::Rust } else { Place::Python };
                let place = if random.chance(20) { Place::Shared } else { by_turns };
                Part { delay: part % 3 * 100, ..step(place, number, part) }
            };
            (Shape::Pipeline, (0..steps).map(&mut step).collect())
        }
        90..100 => {
            let members = short(random, 5) + 2;
            let member = |part| run(place(random), number, part, random);
            (Shape::Group, (0..=members).map(member).collect())
        }
        _ => {
            let mut part = run(place(random), number, 0, random);
            match percent {
                30..45 => part.delay = short(random, 2_000),
                45..58 => {
                    part.fails = short(random, 3) + 1;
                    part.retries = part.fails;
                }
                58..63 => (part.fails, part.retries) = (2, 1),
                63..78 => part.kept = Some(BIGS[big(number, 0)] + i128::from(number)),
                _ => {}
            }
            (Shape::Single, vec![part])
        }
    };
    Job { number, sender, shape, parts }
}

fn place(random: &mut Random) -> Place {
    [Place::Rust, Place::Python, Place::Shared][random.index(3)]
}

fn big(number: u32, part: u32) -> usize {
    (number + part) as usize % BIGS.len()
}

fn run(place: Place, number: u32, part: u32, random: &mut Random) -> Part {
    let actor = match place {
        Place::Rust => actors::run_rust::DECLARATION,
        Place::Python => actors::run_python::DECLARATION,
        Place::Shared => actors::run_shared::DECLARATION,
    };
    let text = TEXTS[random.index(TEXTS.len())].to_owned();
    let float = FLOATS[random.index(FLOATS.len())];
    let args = [
        Raw::encode(&number),
        Raw::encode(&part),
        Raw::encode(&text),
        Raw::encode(&BIGS[big(number, part)]),
        Raw::encode(&float),
    ];
    let args: Vec<Raw> = args.into_iter().collect::<Result<_, _>>().unwrap();
    let called_with = list(&args);
    Part { actor, args, called_with, delay: 0, fails: 0, retries: 0, kept: None }
}

fn step(place: Place, number: u32, part: u32) -> Part {
    let actor = match place {
        Place::Rust => actors::step_rust::DECLARATION,
        Place::Python => actors::step_python::DECLARATION,
        Place::Shared => actors::step_shared::DECLARATION,
    };
    let mut args = vec![Raw::from(number), Raw::from(part)];
    let called_with = format!("[{number},{part},{part}]");
    if part == 0 {
        args.push(Raw::from(0_u32));
    }
    Part { actor, args, called_with, delay: 0, fails: 0, retries: 0, kept: None }
}

/// All actors, as whoever sends to them knows them.
mod actors {
    use common::actor;

    #[actor(remote, queue = "rust")]
    pub(super) fn run_rust(job: u32, part: u32, text: String, big: i128, float: f64) -> i128;

    #[actor(remote, queue = "python")]
    pub(super) fn run_python(job: u32, part: u32, text: String, big: i128, float: f64) -> i128;

    #[actor(remote, queue = "shared")]
    pub(super) fn run_shared(job: u32, part: u32, text: String, big: i128, float: f64) -> i128;

    #[actor(remote, queue = "rust")]
    pub(super) fn step_rust(job: u32, part: u32, sum: i128) -> i128;

    #[actor(remote, queue = "python")]
    pub(super) fn step_python(job: u32, part: u32, sum: i128) -> i128;

    #[actor(remote, queue = "shared")]
    pub(super) fn step_shared(job: u32, part: u32, sum: i128) -> i128;
}
