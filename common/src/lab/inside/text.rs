//! Texts and JSON that several commands share.

use std::fmt::Write as _;

use jiff::ZonedDateTime;
use serde_json::{Value, json};

use super::super::when;
use crate::clock::Timestamp;

/// Columns that line up: those that hold numbers to the right.
pub(super) struct Table {
    heads: Vec<&'static str>,
    is_number: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// `#` before a head makes a column of numbers.
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.iter().map(|head| head.trim_start_matches('#')).collect(),
            is_number: heads.iter().map(|head| head.starts_with('#')).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let all: Vec<&Vec<String>> = std::iter::once(&heads).chain(&self.rows).collect();
        let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        for row in all {
            let mut line = String::new();
            for ((cell, width), is_number) in row.iter().zip(&widths).zip(&self.is_number) {
                if *is_number {
                    write!(line, "{cell:>width$}  ")?;
                } else {
                    write!(line, "{cell:width$}  ")?;
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A text that takes at most so many columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    let start: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}

/// The first characters of an id, as the log shows them.
pub(super) fn short(id: &str) -> &str {
    id.char_indices().nth(8).map_or(id, |(end, _)| &id[..end])
}

/// A time as people read it: `12:00:05.040`, with the date where it is another day.
pub(super) fn local(time: Timestamp) -> String {
    when::due(time, &ZonedDateTime::now())
}

/// A time for programs.
pub(super) fn time(time: Timestamp) -> Value {
    let text = jiff::Timestamp::from_millisecond(time.as_millis()).map(|time| format!("{time:.3}")).unwrap_or_default();
    json!({ "rfc3339": text, "millis": time.as_millis() })
}
