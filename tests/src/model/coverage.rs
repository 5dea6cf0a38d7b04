//! What has been reached: each operation, and each pair of neighbouring ones.

use super::{operation::Kind, places::Move};
use std::{collections::BTreeMap, fmt};

/// Who has just begun to work holds nothing that it could end.
const IMPOSSIBLE: [(Kind, Kind); 4] = [
    (Kind::PythonDie, Kind::PythonAck),
    (Kind::PythonDie, Kind::PythonNack),
    (Kind::PythonDie, Kind::PythonRequeue),
    (Kind::PythonDie, Kind::PythonPromote),
];

/// How often everything happened.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// How many sequences were played.
    pub sequences: u64,
    singles: BTreeMap<Kind, u64>,
    pairs: BTreeMap<(Kind, Kind), u64>,
    moves: BTreeMap<Move, u64>,
}

impl Coverage {
    /// Takes in what happened in one sequence.
    pub fn add(&mut self, happened: &[Kind], moves: &BTreeMap<Move, u64>) {
        self.sequences += 1;
        for kind in happened {
            *self.singles.entry(*kind).or_default() += 1;
        }
        for pair in happened.windows(2) {
            *self.pairs.entry((pair[0], pair[1])).or_default() += 1;
        }
        add(&mut self.moves, moves);
    }

    /// Takes in all of another one.
    pub fn merge(&mut self, other: &Self) {
        self.sequences += other.sequences;
        add(&mut self.singles, &other.singles);
        add(&mut self.pairs, &other.pairs);
        add(&mut self.moves, &other.moves);
    }

    /// What happened of itself, and never did.
    #[must_use]
    pub fn missing_moves(&self, moves: &[Move]) -> Vec<Move> {
        moves.iter().filter(|what| !self.moves.contains_key(what)).copied().collect()
    }

    /// The pairs of these operations that never happened, and could have.
    #[must_use]
    pub fn missing(&self, kinds: &[Kind]) -> Vec<(Kind, Kind)> {
        let all = kinds.iter().flat_map(|first| kinds.iter().map(|second| (*first, *second)));
        all.filter(|pair| !self.pairs.contains_key(pair) && !IMPOSSIBLE.contains(pair)).collect()
    }
}

fn add<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    for (key, count) in counts {
        *to.entry(*key).or_default() += count;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: u64 = self.singles.values().sum();
        writeln!(f, "{} sequences, {steps} operations, {} different pairs", self.sequences, self.pairs.len())?;
        writeln!(f, "{:>9}  {:32} {:>9}  followed by, least often", "times", "operation", "pairs")?;
        for (kind, count) in &self.singles {
            let pairs = self.pairs.iter().filter(|((first, _), _)| first == kind);
            let least = pairs.clone().min_by_key(|(_, count)| **count);
            let least = least.map_or(String::new(), |((_, second), count)| format!("{second}: {count}"));
            writeln!(f, "{count:>9}  {kind:32} {:>9}  {least}", pairs.count())?;
        }
        writeln!(f, "{:>9}  of itself", "times")?;
        for (what, count) in &self.moves {
            writeln!(f, "{count:>9}  {what:?}")?;
        }
        Ok(())
    }
}
