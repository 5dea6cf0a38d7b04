//! The table, and how figures become one.

use std::time::Duration;

use super::Failed;

/// Rounds of each measurement.
pub(crate) const ROUNDS: usize = 5;

pub(crate) fn head() {
    println!("| measured | ours | beside it | theirs | ratio |");
    println!("| --- | --- | --- | --- | --- |");
}

/// A row without anybody beside it.
pub(crate) fn row(what: &str, ours: &str) {
    println!("| {what} | {ours} | | | |");
}

/// Measures both in turn, and prints the medians and the median ratio.
pub(crate) async fn in_turn(
    what: &str,
    ours: impl AsyncFn() -> Result<f64, Failed>,
    beside: &str,
    theirs: impl AsyncFn() -> Result<f64, Failed>,
) -> Result<(), Failed> {
    in_turns(ROUNDS, what, ours, beside, theirs).await
}

/// The same in so many rounds: what differs by a few percent needs many.
pub(crate) async fn in_turns(
    rounds: usize,
    what: &str,
    ours: impl AsyncFn() -> Result<f64, Failed>,
    beside: &str,
    theirs: impl AsyncFn() -> Result<f64, Failed>,
) -> Result<(), Failed> {
    let (mut our, mut their, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (one, other) = (ours().await?, theirs().await?);
        our.push(one);
        their.push(other);
        ratios.push(one / other);
    }
    println!("| {what} | {:.0} | {beside} | {:.0} | {:.2} |", median(our), median(their), median(ratios));
    Ok(())
}

/// The one in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Some waits, shortest first, so that there is at least one.
#[derive(Debug)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    pub(crate) fn new(mut waits: Vec<Duration>) -> Result<Self, Failed> {
        waits.sort_unstable();
        if waits.is_empty() { Err("nothing was measured".into()) } else { Ok(Self(waits)) }
    }

    /// In milliseconds.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100].as_secs_f64() * 1_000.0
    }

    /// Half of them, nearly all, and all are as short as this.
    pub(crate) fn told(&self) -> String {
        format!("{:.2}, {:.2}, {:.2}", self.at(50), self.at(95), self.at(100))
    }
}
