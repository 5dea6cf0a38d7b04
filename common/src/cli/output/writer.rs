//! Writes behind whoever logs, so that nobody waits for a reader.
//!
//! ```text
//! put ──► one buffer, of whole lines ──► a thread writes them, up to a page at once ──► stderr
//! ```
//!
//! A slot that writes its line itself hangs in `write` when nobody reads the pipe: its message runs for ever, and a stop waits
//! for it. So a thread of its own does that, and the rules are these.
//!
//! * While the reader takes anything, nothing is left out and all is in order: who logs into a full buffer waits for room.
//! * Once the reader has taken nothing for [`STUCK`], nobody waits. What finds no room is left out and counted, and one line
//!   says how many they were as soon as something can be written again.
//! * In a log of few lines, each is written when [`Writer::put`] returns (or [`SOON`] after that): it is there before what
//!   the caller does next, be it a line on stdout or its death. In a log of many, they are collected for [`NAP`], so that
//!   logging costs less than a write a line.
//! * [`Writer::flush`] waits for the rest; for nothing once the reader is stuck.
//!
//! The field's answer, `tracing-appender`, leaves lines out as soon as its queue is full although they are being read, or
//! waits for ever; it says nowhere in the log that some are missing, and needs four more crates.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::clock::Stopwatch;

/// How many bytes may wait: some ten thousand lines.
const ROOM: usize = 1 << 20;

/// How many bytes are written at once, if a line is no longer: what a pipe takes as a whole, so that the lines of several
/// processes don't mix.
const PAGE: usize = 4096;

/// A reader that takes no page for so long reads no more, as far as others can wait for it.
const STUCK: Duration = Duration::from_millis(500);

/// How long a single line is waited for.
const SOON: Duration = Duration::from_millis(50);

/// How long the end of a program waits for a reader that is slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// Few are so many lines within [`SPELL`].
const FEW: u32 = 10;

/// See [`FEW`].
const SPELL: Duration = Duration::from_millis(10);

/// How long lines are collected where there are many.
const NAP: Duration = Duration::from_millis(1);

/// Before a file that others have made non-blocking is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes on a thread of its own.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The thread waits here for lines.
    news: Condvar,
    /// Others wait here for the thread.
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    /// Lines that wait, one after the other.
    waiting: Vec<u8>,
    /// Lines that found no room behind these. From the first of them on, none does until the thread takes all: what is left
    /// out is one piece.
    left_out: usize,
    /// Bytes that were ever taken on, and how many of them are dealt with.
    accepted: u64,
    settled: u64,
    /// Since when the thread has been writing a page; none while it isn't.
    writes: Option<Stopwatch>,
    /// Whether the thread waits for news.
    is_idle: bool,
    /// How many wait for progress.
    waiters: usize,
    /// The current spell, how many lines it had, and whether the one before had many.
    spell: Stopwatch,
    lines: u32,
    was_busy: bool,
}

impl Writer {
    /// Starts the thread. `gap` makes the line that says how many are missing where it stands.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        gap: impl Fn(usize) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let state = State {
            waiting: Vec::new(),
            left_out: 0,
            accepted: 0,
            settled: 0,
            writes: None,
            is_idle: false,
            waiters: 0,
            spell: Stopwatch::start(),
            lines: 0,
            was_busy: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), news: Condvar::new(), progress: Condvar::new() });
        let thread = Thread { shared: Arc::clone(&shared), to, gap, lost: 0 };
        thread::Builder::new().name("log".to_owned()).spawn(move || thread.run())?;
        Ok(Self(shared))
    }

    /// Takes on a text of whole lines.
    pub(super) fn put(&self, text: &str) {
        let mut state = self.0.lock();
        let has_room = |state: &State| state.has_room(text.len());
        if !has_room(&state) {
            state = self.0.wait(state, STUCK, has_room);
            if !has_room(&state) {
                state.left_out += lines_in(text.as_bytes());
                return;
            }
        }
        state.waiting.extend_from_slice(text.as_bytes());
        state.accepted += text.len() as u64;
        let mine = state.accepted;
        if state.is_idle {
            state.is_idle = false;
            self.0.news.notify_one();
        }
        if state.is_quiet() {
            drop(self.0.wait(state, SOON, |state| state.settled >= mine));
        }
    }

    /// Waits until everything that was taken on before is written. Not for a reader that is stuck, and not longer than
    /// [`PATIENCE`] for a slow one.
    pub(super) fn flush(&self) {
        let state = self.0.lock();
        let all = state.accepted;
        drop(self.0.wait(state, PATIENCE, |state| state.settled >= all));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is so; no longer than `limit`, and not for a reader that is stuck.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        limit: Duration,
        is_so: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let watch = Stopwatch::start();
        while !is_so(&state) {
            let left = limit.saturating_sub(watch.elapsed()).min(state.until_stuck());
            if left.is_zero() {
                break;
            }
            state.waiters += 1;
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiters -= 1;
        }
        state
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        self.left_out == 0 && (self.waiting.is_empty() || self.waiting.len() + bytes <= ROOM)
    }

    /// How much longer the page that is being written is waited for.
    fn until_stuck(&self) -> Duration {
        self.writes.map_or(STUCK, |since| STUCK.saturating_sub(since.elapsed()))
    }

    /// Counts a line, and tells whether there are few.
    fn is_quiet(&mut self) -> bool {
        let elapsed = self.spell.elapsed();
        if elapsed > SPELL {
            self.was_busy = self.lines > FEW && elapsed < 2 * SPELL;
            self.spell = Stopwatch::start();
            self.lines = 0;
        }
        self.lines += 1;
        !self.was_busy && self.lines <= FEW
    }

    /// Whether there are many lines.
    fn is_busy(&self) -> bool {
        (self.was_busy || self.lines > FEW) && self.spell.elapsed() < 2 * SPELL
    }
}

/// What the thread owns.
struct Thread<W, G> {
    shared: Arc<Shared>,
    to: W,
    gap: G,
    /// Lines that are missing before the next one.
    lost: usize,
}

impl<W: Write, G: Fn(usize) -> String> Thread<W, G> {
    /// Writes until the process ends.
    fn run(mut self) {
        let mut lines = Vec::new();
        loop {
            let left_out = self.take(&mut lines);
            let mut rest = &lines[..];
            while !rest.is_empty() {
                let (page, others) = rest.split_at(page_of(rest));
                rest = others;
                self.begin();
                self.log_gap();
                if self.write(page).is_err() {
                    self.lost += lines_in(page);
                }
                self.settle(page.len());
            }
            if left_out > 0 {
                self.lost += left_out;
                self.begin();
                self.log_gap();
                self.settle(0);
            }
            if self.shared.lock().is_busy() {
                thread::sleep(NAP);
            }
        }
    }

    /// Waits for lines and takes all there are; tells how many are missing behind them.
    fn take(&mut self, lines: &mut Vec<u8>) -> usize {
        lines.clear();
        // One long line must not keep its room for ever.
        lines.shrink_to(ROOM);
        let mut state = self.shared.lock();
        while state.waiting.is_empty() {
            state.is_idle = true;
            state = self.shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        std::mem::swap(&mut state.waiting, lines);
        std::mem::take(&mut state.left_out)
    }

    fn begin(&self) {
        self.shared.lock().writes = Some(Stopwatch::start());
    }

    fn settle(&self, bytes: usize) {
        let mut state = self.shared.lock();
        state.writes = None;
        state.settled += bytes as u64;
        if state.waiters > 0 {
            self.shared.progress.notify_all();
        }
    }

    /// Says how many lines are missing here, as soon as that can be said.
    fn log_gap(&mut self) {
        if self.lost > 0 && self.write((self.gap)(self.lost).as_bytes()).is_ok() {
            self.lost = 0;
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal is shared, and so is whether it blocks.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        self.to.flush()
    }
}

/// The length of the lines at the start that go into one page; at least one of them.
fn page_of(lines: &[u8]) -> usize {
    let end_of_line = |byte: &u8| *byte == b'\n';
    let page = &lines[..lines.len().min(PAGE)];
    if page.len() == lines.len() {
        return lines.len();
    }
    match page.iter().rposition(end_of_line) {
        Some(end) => end + 1,
        None => lines.iter().position(end_of_line).map_or(lines.len(), |end| end + 1),
    }
}

/// How many lines a text is; a part of one counts as one.
fn lines_in(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
