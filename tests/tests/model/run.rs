//! Runs many sequences on a store, and writes down what they reached.

use std::{fs, thread};
use tests::{
    model::{
        coverage::Coverage,
        sequence::{self, Failure, Stage},
    },
    workspace,
};

/// How many sequences may well run at once.
pub(crate) fn cores() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// Plays as many sequences as are asked for, or the one.
pub(crate) fn all(stage: &impl Stage, usual: u64, threads: u64) {
    let seeds = match workspace::seed() {
        Some(seed) => seed..seed + 1,
        None => 0..workspace::sequences().unwrap_or(usual),
    };
    let is_whole = seeds.end - seeds.start >= usual;
    let each = |first: u64| {
        let seeds = seeds.clone().skip(usize::try_from(first).unwrap()).step_by(usize::try_from(threads).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(some(stage, seeds))
    };
    let coverage = thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || each(first))).collect();
        let mut coverage = Coverage::default();
        for part in parts {
            match part.join().unwrap() {
                Ok(part) => coverage.merge(&part),
                Err(failure) => panic!("{failure}"),
            }
        }
        coverage
    });
    println!("{}: {coverage}", stage.name());
    let folder = workspace::target().join("model");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{}.txt", stage.name())), coverage.to_string()).unwrap();
    if is_whole {
        let missing = coverage.missing(&stage.kinds());
        let moves = coverage.missing_moves(&stage.moves());
        assert!(moves.is_empty(), "{moves:?} never happened");
        assert!(missing.is_empty(), "{} pairs were never reached: {missing:?}", missing.len());
    }
}

async fn some(stage: &impl Stage, seeds: impl Iterator<Item = u64>) -> Result<Coverage, Failure> {
    let mut coverage = Coverage::default();
    for seed in seeds {
        sequence::play(stage, seed, &mut coverage).await?;
    }
    Ok(coverage)
}
