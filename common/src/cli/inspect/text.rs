//! Texts that several commands share.

use std::fmt;

use jiff::ZonedDateTime;

use super::super::{output, time};
use crate::clock::Timestamp;

/// How many columns a terminal has at least.
const TERMINAL: usize = 80;

/// The longest text of a cell where no terminal sets bounds: an argument may have megabytes.
const LONGEST: usize = 200;

/// Between two columns.
const GAP: usize = 2;

/// How much room a reader has for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A terminal's.
    Terminal,
    /// What reads a pipe takes more.
    Pipe,
}

impl Room {
    pub(super) fn of_stdout() -> Self {
        if output::is_terminal() { Self::Terminal } else { Self::Pipe }
    }

    /// A text of one line, which takes at most so many columns of a terminal.
    pub(super) fn cell(self, text: &str, width: usize) -> String {
        cut(text, if self == Self::Terminal { width } else { LONGEST })
    }
}

/// Columns that line up: those that hold numbers to the right. On a terminal the last one gets what is left of a line.
pub(super) struct Table {
    room: Room,
    heads: Vec<String>,
    is_number: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// `#` before a head makes a column of numbers.
    pub(super) fn new(room: Room, heads: &[&str]) -> Self {
        Self {
            room,
            heads: heads.iter().map(|head| head.trim_start_matches('#').to_owned()).collect(),
            is_number: heads.iter().map(|head| head.starts_with('#')).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.heads]);
        cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.heads.len() - 1;
        let widths: Vec<usize> = (0..last).map(|column| self.width(column)).collect();
        let left = TERMINAL.saturating_sub(widths.iter().map(|width| width + GAP).sum());
        for row in [&self.heads].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), is_number) in row.iter().zip(&widths).zip(&self.is_number) {
                let cell = if *is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") };
                line += &cell;
                line += &" ".repeat(GAP);
            }
            line += &self.room.cell(&row[last], left);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A text of one line that takes at most so many columns, and commands no terminal.
pub(super) fn cut(text: &str, width: usize) -> String {
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    let is_whole = lines.all(|line| line.trim().is_empty());
    // No character gets shorter by being escaped, so the rest is not looked at.
    let start: String = line.chars().take(width + 1).collect();
    let clean = clean(&start);
    if is_whole && clean.chars().count() <= width {
        return clean;
    }
    let start: String = clean.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}

/// A text of several lines, the further ones set off by `indent`, that commands no terminal. There, long lines go on below.
fn block(room: Room, text: &str, indent: usize) -> String {
    let width = if room == Room::Terminal { TERMINAL - indent } else { usize::MAX };
    let lines: Vec<String> = text.trim_end().lines().flat_map(|line| wrapped(&clean(line), width)).collect();
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// A line as several that are no longer than that, if its words are not.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut last, mut used) = (0, 0);
    for word in line.split_inclusive(' ') {
        let length = word.chars().count();
        // An indent stays before its word.
        if !lines[last].trim().is_empty() && used + word.trim_end().chars().count() > width {
            lines.push(String::new());
            (last, used) = (last + 1, 0);
        }
        lines[last].push_str(word);
        used += length;
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    output::escape(&mut clean, text, 0);
    clean
}

/// Lines with their names in a column.
pub(super) fn aligned(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let room = Room::of_stdout();
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}\n", block(room, value, width + GAP));
    lines.iter().map(line).collect::<Vec<_>>().concat()
}

/// `1 message`, `3 messages`.
pub(super) fn some(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A time as people read it: `12:00:05.040`, with the date where it is another day.
pub(super) fn local(time: Timestamp) -> String {
    time::due(time, &ZonedDateTime::now())
}

/// The same to the second.
pub(super) fn second(time: Timestamp) -> String {
    let text = local(time);
    text.rsplit_once('.').map_or(text.clone(), |(seconds, _)| seconds.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_a_terminal_and_a_pipe_gets_it_whole() {
        let table = |room| {
            let mut table = Table::new(room, &["QUEUE", "#READY", "REASON"]);
            table.row(vec!["default".to_owned(), "12".to_owned(), "no ".repeat(30)]);
            table.to_string()
        };
        let terminal = table(Room::Terminal);
        let lines: Vec<&str> = terminal.lines().collect();
        assert_eq!(lines[0], "QUEUE    READY  REASON");
        assert!(lines[1].starts_with("default     12  no no ") && lines[1].ends_with('…'), "{}", lines[1]);
        assert_eq!(lines[1].chars().count(), TERMINAL);
        assert!(table(Room::Pipe).ends_with("no no no\n"));
    }

    #[test]
    fn nothing_shown_commands_the_terminal() {
        assert_eq!(cut("\u{1b}[31mred", 40), "\\u{1b}[31mred");
        assert_eq!(cut("one\ntwo", 40), "one…");
        assert_eq!(cut("exact", 5), "exact");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(block(Room::Pipe, "one\ntwo\r\n", 2), "one\n  two");
    }

    #[test]
    fn a_long_line_goes_on_below() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("  longer than that", 6), ["  longer", "than", "that"]);
        assert_eq!(wrapped("", 6), [""]);
        let text = "word ".repeat(30);
        let lines = block(Room::Terminal, &text, 11);
        assert!(lines.lines().count() == 3 && lines.lines().all(|line| line.len() <= TERMINAL), "{lines}");
    }
}
