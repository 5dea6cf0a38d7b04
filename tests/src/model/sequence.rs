//! Sequences: drawn by a seed, played, and, where one fails, made shorter and told.

use super::{
    coverage::Coverage,
    operation::{Kind, Operation},
    places::{Move, Wrong},
    python::Script,
    random::Random,
    runner::{Runner, START},
    tolerances::Tolerances,
};
use common::{
    clock::{Clock, Stopwatch},
    store::Inspect,
};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tempfile::TempDir;

/// The fewest operations of a sequence.
pub const LEAST: usize = 20;

/// How many more there may be.
const SPREAD: usize = 6;

/// One sequence of so many is long, and full of deaths: it takes many to make a message suspect.
const LONG_ONES: u64 = 100;

/// The operations of a long sequence.
const LONG: usize = 250;

/// How many operations out of a hundred help to reach a pair that chance alone would seldom reach.
const AIMED: u64 = 65;

/// What happens mostly in a long one.
const DEATHS: [Kind; 6] = [Kind::Register, Kind::Register, Kind::Fetch, Kind::Start, Kind::Crash, Kind::Ticks];

/// The same where Python takes part, in every other long one: what a silent worker holds is taken over by Python's upkeep.
const FORSAKEN: [Kind; 6] =
    [Kind::Register, Kind::EnqueueSeveral, Kind::Fetch, Kind::Crash, Kind::Minute, Kind::PythonMaintain];

/// One sequence of so many ends with a look at everything; all others with numbers.
const LOOKS: u64 = 4;

/// One sequence of so many is worked off by Rust in the end, and one by Python.
const DRAINS: u64 = 20;

/// How many of a sequence's first operations are drawn freely, so that there is something for others to happen to.
const OPENING: usize = 6;

/// How long a failing sequence is made shorter.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store to be played on: makes an empty one for each sequence.
pub trait Stage: Sync {
    /// Its name, as a test is called.
    fn name(&self) -> &'static str;

    /// Where it may differ from others.
    fn tolerances(&self) -> Tolerances;

    /// The operations that it knows.
    fn kinds(&self) -> Vec<Kind> {
        Kind::without_python()
    }

    /// What happens there of itself.
    fn moves(&self) -> Vec<Move> {
        // Nobody else has a hand in it, and the order is always kept up.
        let only_redis = [Move::Unordered, Move::TakenOver, Move::RecoveredFromPython, Move::HandedOver];
        Move::ALL.iter().copied().filter(|what| !only_redis.contains(what)).collect()
    }

    /// Whether the workers on it are broken: a run whose claim was lost ends the claim of the next run of the same message.
    fn late_ends_count(&self) -> bool {
        false
    }

    /// An empty store under this clock.
    fn open(&self, clock: Clock) -> impl Future<Output = Scene> + Send;
}

/// An empty store.
#[derive(Debug)]
pub struct Scene {
    /// The store.
    pub store: Arc<dyn Inspect>,
    /// With what the keys of its results begin.
    pub results: String,
    /// dramatiq's script on the same data, where Python's workers take part.
    pub script: Option<Script>,
    /// The folder that the store lies in, and that goes with it.
    pub folder: Option<TempDir>,
}

/// A sequence that a store has not come through.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What draws it.
    pub seed: u64,
    /// The store.
    pub stage: &'static str,
    /// What went wrong.
    pub wrong: Wrong,
    /// The story of the shortest sequence that was found to go wrong.
    pub story: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, stage, wrong, story } = self;
        writeln!(f, "{wrong}\n\nThe story so far:\n{story}\n\n{}", again(stage, *seed))
    }
}

/// How to play a sequence once more. Names are random, so what depends on their order may take some tries.
#[must_use]
pub fn again(stage: &str, seed: u64) -> String {
    format!("To play it again:\n    MODEL_SEED={seed} cargo test -p tests --test model {stage} -- --nocapture")
}

/// Plays the sequence of one seed.
///
/// # Errors
///
/// Where the store does not do what the model says.
pub async fn play(stage: &impl Stage, seed: u64, coverage: &mut Coverage) -> Result<(), Failure> {
    let clock = Clock::manual(START);
    let scene = stage.open(clock.clone()).await;
    let mut runner = Runner::new(scene, clock, stage, false);
    let mut drawn = Vec::new();
    let mut happened = Vec::new();
    let mut draw = Draw::new(stage, seed);
    let mut wrong = None;
    while wrong.is_none() && happened.len() < draw.length {
        let operation = draw.next(&runner, &happened);
        drawn.push(operation);
        match runner.step(operation).await {
            Ok(true) => happened.push(operation.kind),
            Ok(false) => {}
            Err(error) => wrong = Some(error),
        }
    }
    if wrong.is_none() && seed.is_multiple_of(LOOKS) {
        wrong = runner.look().await.err();
    }
    if wrong.is_none() {
        wrong = drain(&mut runner, seed).await.err();
    }
    coverage.add(&happened, &runner.places.moves);
    runner.close().await;
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(shorten(stage, seed, drawn, wrong).await),
    }
}

/// Works off what is left, at the end of some sequences.
async fn drain(runner: &mut Runner, seed: u64) -> Result<(), Wrong> {
    match seed % DRAINS {
        3 => runner.drain_by_rust().await,
        13 => runner.drain_by_python().await,
        _ => Ok(()),
    }
}

/// A seed whose sequence begins by reaching out for a pair of operations; another one for each round.
#[must_use]
pub fn seed_for(kinds: &[Kind], pair: (Kind, Kind), round: u64) -> u64 {
    let place = |wanted: Kind| kinds.iter().position(|kind| *kind == wanted).unwrap_or_default() as u64;
    let count = kinds.len() as u64;
    (round * count + place(pair.0)) * count + place(pair.1)
}

/// Draws operations: some freely, by what is possible, and some to reach pairs that chance alone would seldom reach.
struct Draw {
    random: Random,
    length: usize,
    /// What happens mostly, where it is long.
    is_forsaken: bool,
    kinds: Vec<Kind>,
    /// The sum of their weights.
    weights: u64,
    /// The pair that is to be reached next, by its number.
    wish: u64,
}

impl Draw {
    fn new(stage: &impl Stage, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let length = if seed % LONG_ONES == 1 { LONG } else { LEAST + random.index(SPREAD) };
        let kinds = stage.kinds();
        let weights = kinds.iter().map(|kind| kind.weight()).sum();
        let is_forsaken = kinds.contains(&Kind::PythonMaintain) && (seed / LONG_ONES).is_multiple_of(2);
        Self { random, length, kinds, weights, is_forsaken, wish: seed }
    }

    fn next(&mut self, runner: &Runner, happened: &[Kind]) -> Operation {
        let kind = self.kind(runner, happened);
        let mut pick = || u32::try_from(self.random.below(1 << 16)).unwrap_or_default();
        Operation { kind, picks: [pick(), pick(), pick()] }
    }

    fn kind(&mut self, runner: &Runner, happened: &[Kind]) -> Kind {
        let (first, second) = self.wish();
        if happened.len() > OPENING && happened.last() == Some(&first) && runner.is_possible(second) {
            self.wish += 1;
            return second;
        }
        if self.length == LONG && self.random.chance(80) {
            let cycle = if self.is_forsaken { FORSAKEN } else { DEATHS };
            return self.known(runner.towards(cycle[happened.len() % cycle.len()]), runner);
        }
        if happened.len() >= OPENING && self.random.chance(AIMED) {
            let wanted = if runner.is_plenty(second) { first } else { second };
            return self.known(runner.towards(wanted), runner);
        }
        loop {
            let kind = self.any();
            if runner.is_possible(kind) {
                return kind;
            }
        }
    }

    /// The pair that is to be reached next.
    fn wish(&self) -> (Kind, Kind) {
        let count = self.kinds.len() as u64;
        let kind = |number: u64| self.kinds[usize::try_from(number % count).unwrap_or_default()];
        (kind(self.wish / count), kind(self.wish))
    }

    /// What this store knows, and can be.
    fn known(&self, kind: Kind, runner: &Runner) -> Kind {
        if self.kinds.contains(&kind) && runner.is_possible(kind) { kind } else { Kind::Tick }
    }

    /// Any kind, by its weight.
    fn any(&mut self) -> Kind {
        let mut drawn = self.random.below(self.weights);
        for kind in &self.kinds {
            match drawn.checked_sub(kind.weight()) {
                None => return *kind,
                Some(left) => drawn = left,
            }
        }
        Kind::Tick
    }
}

/// Leaves out whatever can be left out, and plays the rest once more, to tell its story.
async fn shorten(stage: &impl Stage, seed: u64, mut operations: Vec<Operation>, mut wrong: Wrong) -> Failure {
    let watch = Stopwatch::start();
    let mut told = replay(stage, seed, &operations).await;
    let mut size = operations.len() / 2;
    while size > 0 && told.is_some() {
        let (mut from, before) = (0, operations.len());
        while from < operations.len() && watch.elapsed() < PATIENCE {
            let mut fewer = operations.clone();
            fewer.drain(from..(from + size).min(fewer.len()));
            match replay(stage, seed, &fewer).await {
                Some(shorter) => {
                    operations = fewer;
                    told = Some(shorter);
                }
                None => from += size,
            }
        }
        // What was needed may not be any more, now that others are gone.
        if size > 1 || operations.len() == before {
            size /= 2;
        }
    }
    let story = match told {
        Some((last, story)) => {
            wrong = last;
            story
        }
        None => format!("it went wrong once only, after {operations:?}"),
    };
    Failure { seed, stage: stage.name(), wrong, story }
}

/// Plays operations; what goes wrong, and the story up to there.
async fn replay(stage: &impl Stage, seed: u64, operations: &[Operation]) -> Option<(Wrong, String)> {
    let clock = Clock::manual(START);
    let scene = stage.open(clock.clone()).await;
    let mut runner = Runner::new(scene, clock, stage, true);
    let mut wrong = None;
    for operation in operations {
        wrong = runner.step(*operation).await.err();
        if wrong.is_some() {
            break;
        }
    }
    if wrong.is_none() {
        wrong = runner.look().await.err();
    }
    if wrong.is_none() {
        wrong = drain(&mut runner, seed).await.err();
    }
    runner.close().await;
    Some((wrong?, runner.story()))
}
