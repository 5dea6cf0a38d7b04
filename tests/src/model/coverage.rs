//! What has been reached: each operation, and each pair of neighbouring ones.

use super::operation::Kind;
use std::{collections::BTreeMap, fmt};

/// How often everything happened.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// How many sequences were played.
    pub sequences: u64,
    singles: BTreeMap<Kind, u64>,
    pairs: BTreeMap<(Kind, Kind), u64>,
}

impl Coverage {
    /// Takes in what happened in one sequence.
    pub fn add(&mut self, happened: &[Kind]) {
        self.sequences += 1;
        for kind in happened {
            *self.singles.entry(*kind).or_default() += 1;
        }
        for pair in happened.windows(2) {
            *self.pairs.entry((pair[0], pair[1])).or_default() += 1;
        }
    }

    /// Takes in all of another one.
    pub fn merge(&mut self, other: &Self) {
        self.sequences += other.sequences;
        for (kind, count) in &other.singles {
            *self.singles.entry(*kind).or_default() += count;
        }
        for (pair, count) in &other.pairs {
            *self.pairs.entry(*pair).or_default() += count;
        }
    }

    /// The pairs of these operations that never happened.
    #[must_use]
    pub fn missing(&self, kinds: &[Kind]) -> Vec<(Kind, Kind)> {
        let all = kinds.iter().flat_map(|first| kinds.iter().map(|second| (*first, *second)));
        all.filter(|pair| !self.pairs.contains_key(pair)).collect()
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
        Ok(())
    }
}
