//! The actors, and the board that they write on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::actor;
use common::actor::{Declaration, actors};
use common::clock::Stopwatch;
use tests::process::{PATIENCE, eventually_async};
use tokio::sync::watch;

pub(crate) const WORK: &[&Declaration] =
    actors![say, shout, weigh, flaky, refuse, die, gate, gate_and_die, gate_and_weigh];

/// What was said, and how often; and whether the gate is open.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    said: Mutex<BTreeMap<String, usize>>,
    gate: watch::Sender<bool>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { said: Mutex::default(), gate: watch::Sender::new(false) }))
    }

    /// How often it was said now.
    fn write(&self, what: &str) -> usize {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let times = said.entry(what.to_owned()).or_default();
        *times += 1;
        *times
    }

    pub(crate) fn open_gate(&self) {
        self.0.gate.send_replace(true);
    }

    pub(crate) fn close_gate(&self) {
        self.0.gate.send_replace(false);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, usize> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn times(&self, what: &str) -> usize {
        self.all().get(what).copied().unwrap_or_default()
    }

    /// Waits until it was said.
    pub(crate) async fn hear(&self, what: &str) {
        let started = Stopwatch::start();
        let heard = eventually_async(PATIENCE, async || (self.times(what) > 0).then_some(())).await;
        assert!(heard.is_some(), "`{what}` was not said within {:?}, but {:?}", started.elapsed(), self.all());
    }
}

#[actor]
pub(crate) fn say(board: &Board, what: String) {
    board.write(&what);
}

#[actor(throws = "no order 4711")]
pub(crate) fn refuse() -> Result<(), &'static str> {
    Err("no order 4711")
}

#[actor(queue = "other")]
pub(crate) fn shout(board: &Board, what: String) {
    board.write(&what);
}

#[actor]
pub(crate) fn weigh(board: &Board, what: String) {
    board.write(&format!("{} of {}", what.len(), &what[..1]));
}

/// Fails at first.
#[actor(max_retries = 3, min_backoff = "10ms", max_backoff = "20ms")]
pub(crate) fn flaky(board: &Board, what: String) -> Result<(), String> {
    if board.write(&format!("{what}, at first")) == 1 {
        return Err("not yet".to_owned());
    }
    board.write(&what);
    Ok(())
}

#[actor(max_retries = 0)]
pub(crate) fn die(board: &Board, what: String) -> Result<(), String> {
    board.write(&what);
    Err("as asked for".to_owned())
}

/// Runs until the gate is open.
#[actor]
pub(crate) async fn gate(board: &Board, what: String) {
    board.write(&what);
    let _ = board.0.gate.subscribe().wait_for(|is_open| *is_open).await;
    board.write(&format!("{what}, open"));
}

#[actor(max_retries = 0)]
pub(crate) async fn gate_and_die(board: &Board, what: String) -> Result<(), String> {
    board.write(&what);
    let _ = board.0.gate.subscribe().wait_for(|is_open| *is_open).await;
    Err("as asked for".to_owned())
}

/// Waits for the gate, fails, and is done when it runs again.
#[actor(max_retries = 3, min_backoff = "10ms", max_backoff = "20ms")]
pub(crate) async fn gate_and_weigh(board: &Board, what: String) -> Result<(), String> {
    let size = format!("{} of {}", what.len(), &what[..1]);
    if board.write(&format!("{size}, at first")) == 1 {
        let _ = board.0.gate.subscribe().wait_for(|is_open| *is_open).await;
        return Err("not yet".to_owned());
    }
    board.write(&size);
    Ok(())
}
