//! How one line looks.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::super::output::escape;

/// The columns before the text, without those of a run: time and level.
const TEXT_INDENT: usize = 28;

/// The width of `slot 1`, `worker`, `broker`.
const PART_WIDTH: usize = 6;

/// The width of the number of a process.
const PROCESS_WIDTH: usize = 2;

/// How many characters of an id a person needs to follow it.
const SHORT_ID: usize = 8;

/// How many characters of an id are shown at most: it may come from anybody.
const ID_LIMIT: usize = 60;

/// How many characters of a call are shown at most.
const CALL_LIMIT: usize = 60;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";

/// What lines look like in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colours: bool,
    /// One JSON object a line.
    pub(super) json: bool,
    /// Ids in full, not their first characters only.
    pub(super) full_ids: bool,
    /// The least width of the column of calls.
    pub(super) call_width: usize,
    /// Which of a supervisor's processes this is, in a column of its own; zero is the supervisor.
    pub(super) process: Option<u16>,
}

impl Style {
    /// The same without colours.
    pub(super) fn plain(self) -> Self {
        Self { colours: false, ..self }
    }
}

/// The columns of one run.
#[derive(Debug, Default)]
pub(super) struct Run {
    slot: u64,
    id: String,
    call: String,
    actor: String,
    queue: String,
    attempt: u64,
    /// Slot, id and call, ready to be written.
    columns: String,
}

impl Run {
    /// Takes what the run's span says about it: some of its fields at the start, others when they are known.
    pub(super) fn read(&mut self, style: &Style, fields: impl FnOnce(&mut dyn Visit)) {
        fields(self);
        let id_end = self.id.char_indices().nth(SHORT_ID).filter(|_| !style.full_ids);
        let id = id_end.map_or(&*self.id, |(end, _)| &self.id[..end]);
        let columns = format!("slot {}  {id}  {:width$}", self.slot, self.call(), width = style.call_width);
        self.columns.clear();
        escape(&mut self.columns, &columns, 0);
    }

    pub(super) fn slot(&self) -> u64 {
        self.slot
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The call with its arguments, or the actor's name where these are not to be seen.
    pub(super) fn call(&self) -> &str {
        if self.call.is_empty() { &self.actor } else { &self.call }
    }

    pub(super) fn actor(&self) -> &str {
        &self.actor
    }

    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    pub(super) fn attempt(&self) -> u64 {
        self.attempt
    }
}

/// What the line is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// A run of an actor; the line is the library's own, or the actor's.
    Run { run: &'a Run, is_librarys: bool },
    /// A part of the program.
    Part(&'a str),
}

/// One line, before it is drawn.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) time: &'a str,
    pub(super) source: Source<'a>,
    pub(super) event: &'a Event<'a>,
}

/// What stands where so many lines are missing.
pub(super) fn gap(time: &str, colours: bool, lines: usize) -> String {
    let (dim, yellow, reset) = if colours { (DIM, YELLOW, RESET) } else { ("", "", "") };
    format!("{dim}{time}{reset} {yellow} WARN{reset}  {dim}{:PART_WIDTH$}{reset}  {}\n", "log", gap_text(lines))
}

/// The same in words.
pub(super) fn gap_text(lines: usize) -> String {
    let were = if lines == 1 { "line was" } else { "lines were" };
    format!("{lines} {were} left out here: the log could not be written, or nobody read it")
}

impl Line<'_> {
    /// The line as it is written, with its end.
    pub(super) fn draw(&self, style: &Style) -> String {
        let paint = |colour| if style.colours { colour } else { "" };
        let (dim, reset) = (paint(DIM), paint(RESET));
        let (level, colour) = match *self.event.metadata().level() {
            Level::ERROR => ("ERROR", paint(RED)),
            Level::WARN => ("WARN", paint(YELLOW)),
            _ => ("", ""),
        };
        let mut line = String::with_capacity(160);
        // Writing into a string does not fail.
        let _ = write!(line, "{dim}{}{reset} {colour}{level:>5}{reset}  ", self.time);
        let before = line.len();
        let _ = match style.process {
            None => Ok(()),
            Some(0) => write!(line, "{:PROCESS_WIDTH$}  ", ""),
            Some(process) => write!(line, "{process:>PROCESS_WIDTH$}  "),
        };
        let indent = TEXT_INDENT + line.len() - before;
        let _ = match self.source {
            Source::Run { run, is_librarys } => {
                let own = if is_librarys { "" } else { "  " };
                write!(line, "{dim}{}{reset}  {own}", run.columns)
            }
            Source::Part(part) => write!(line, "{dim}{part:PART_WIDTH$}{reset}  "),
        };
        let mut fields = EventFields::default();
        self.event.record(&mut fields);
        // The library's lines of a run say all in their text; their fields are for programs.
        let says_all = matches!(self.source, Source::Run { is_librarys: true, .. });
        let text = if says_all { fields.message } else { fields.text() };
        escape(&mut line, text.trim_end(), indent);
        line.push('\n');
        line
    }
}

impl Visit for Run {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "slot" => self.slot = value,
            "attempt" => self.attempt = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let (text, limit) = match field.name() {
            "message_id" => (&mut self.id, ID_LIMIT),
            "queue" => (&mut self.queue, CALL_LIMIT),
            "call" => (&mut self.call, CALL_LIMIT),
            "actor" => (&mut self.actor, CALL_LIMIT),
            _ => return,
        };
        text.clear();
        if write!(Limited { text, left: limit }, "{value:?}").is_err() {
            text.push('…');
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Takes so many characters, and no more: an argument may have megabytes.
struct Limited<'a> {
    text: &'a mut String,
    left: usize,
}

impl fmt::Write for Limited<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// The message, and the other fields.
#[derive(Default)]
struct EventFields {
    message: String,
    others: String,
}

impl EventFields {
    fn text(self) -> String {
        let Self { mut message, others } = self;
        if !message.is_empty() && !others.is_empty() {
            message.push(' ');
        }
        message + &others
    }
}

impl Visit for EventFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let separator = if self.others.is_empty() { "" } else { " " };
            write!(self.others, "{separator}{}={value:?}", field.name())
        };
    }
}
