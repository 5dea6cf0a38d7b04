//! Runs many sequences on a store, and writes down what they reached.

use common::clock::Stopwatch;
use std::{
    fs,
    io::{self, Write as _},
    num::NonZero,
    thread,
};
use tests::{
    model::{
        coverage::Coverage,
        sequence::{self, Failure, Stage},
    },
    workspace,
};

/// How many sequences may well run at once.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How often what was never reached is tried again.
const ROUNDS: u64 = 100;

/// Plays as many sequences as are asked for, or the one; and in a whole run as many more as it takes to reach everything.
pub(crate) fn all(stage: &impl Stage, [usual, whole]: [u64; 2], threads: usize) {
    let seeds: Vec<u64> = match workspace::seed() {
        Some(seed) => vec![seed],
        None => (0..workspace::sequences(usual, whole)).collect(),
    };
    let is_whole = seeds.len() as u64 >= whole;
    let (kinds, watch) = (stage.kinds(), Stopwatch::start());
    let mut coverage = played(stage, &seeds, threads);
    // Beyond all seeds that were played.
    let first = seeds.len() as u64 / (kinds.len() * kinds.len()) as u64 + 1;
    for round in first..first + ROUNDS {
        let (missing, moves) = (coverage.missing(&kinds), coverage.missing_moves(&stage.moves()));
        if !is_whole || missing.is_empty() && moves.is_empty() {
            break;
        }
        let mut seeds: Vec<u64> = missing.into_iter().map(|pair| sequence::seed_for(&kinds, pair, round)).collect();
        if !moves.is_empty() {
            // They happen of themselves, so nothing can reach out for them.
            seeds.extend(kinds.iter().map(|kind| sequence::seed_for(&kinds, (*kind, *kind), round)));
        }
        coverage.merge(&played(stage, &seeds, threads));
    }
    // Past the test runner, which shows what a test prints only where it fails.
    let _ = write!(io::stdout().lock(), "\n{}, in {:.1?}: {coverage}", stage.name(), watch.elapsed());
    let folder = workspace::target().join("model");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{}.txt", stage.name())), coverage.to_string()).unwrap();
    if is_whole {
        let (missing, moves) = (coverage.missing(&kinds), coverage.missing_moves(&stage.moves()));
        assert!(moves.is_empty(), "{moves:?} never happened");
        assert!(missing.is_empty(), "{} pairs were never reached: {missing:?}", missing.len());
    }
}

/// Plays the sequences of these seeds, some at once.
fn played(stage: &impl Stage, seeds: &[u64], threads: usize) -> Coverage {
    let each = |first: usize| {
        let seeds = seeds.iter().copied().skip(first).step_by(threads);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(some(stage, seeds))
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || each(first))).collect();
        let mut coverage = Coverage::default();
        for part in parts {
            match part.join().unwrap() {
                Ok(part) => coverage.merge(&part),
                Err(failure) => panic!("{failure}"),
            }
        }
        coverage
    })
}

async fn some(stage: &impl Stage, seeds: impl Iterator<Item = u64>) -> Result<Coverage, Failure> {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let _playing = Playing(stage.name(), seed);
        sequence::play(stage, seed, &mut coverage).await?;
    }
    Ok(coverage)
}

/// A sequence that is played: where it panics, it is named as one that fails.
struct Playing(&'static str, u64);

impl Drop for Playing {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("It panicked. {}", sequence::again(self.0, self.1));
        }
    }
}
