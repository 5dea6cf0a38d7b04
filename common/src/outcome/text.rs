//! Texts of errors, cut where they are too long: they go into bodies, reasons, logs, callbacks and results.

use std::fmt::{self, Write as _};

/// The most that is kept of the text of an error or a reason, in bytes, with the note that tells how much is left out.
pub const MAX_TEXT: usize = 64 * 1024;

/// Room for that note.
const NOTE: usize = 64;

/// The text of a value: cut to [`MAX_TEXT`] at the end of a character, saying how much is left out. Nothing longer is ever
/// built, and what was cut once stays as it is.
#[must_use]
pub fn bounded(text: impl fmt::Display) -> String {
    let mut bounded = Bounded::default();
    bounded.add(format_args!("{text}"));
    bounded.finish()
}

/// A text that grows up to [`MAX_TEXT`], and counts what does not fit.
#[derive(Default)]
pub(crate) struct Bounded {
    text: String,
    left_out: usize,
}

impl Bounded {
    /// Adds a text, as far as it fits.
    pub(crate) fn add(&mut self, text: fmt::Arguments<'_>) {
        // Our own part cannot fail; a `Display` that does has written what it could.
        let _ = self.write_fmt(text);
    }

    /// What is there so far, without a note.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, with a note where something is left out.
    pub(crate) fn finish(mut self) -> String {
        if self.left_out > 0 {
            let end = boundary(&self.text, MAX_TEXT - NOTE);
            self.left_out += self.text.len() - end;
            self.text.truncate(end);
            // Writing into a string cannot fail.
            let _ = write!(self.text, "… ({} bytes left out)", self.left_out);
        }
        self.text
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = if self.left_out == 0 { MAX_TEXT - self.text.len() } else { 0 };
        let end = boundary(more, room);
        self.text.push_str(&more[..end]);
        self.left_out += more.len() - end;
        Ok(())
    }
}

/// The last end of a character at or before `limit`.
fn boundary(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_how_much_is_left_out() {
        assert_eq!(bounded("short"), "short");
        let fits = "x".repeat(MAX_TEXT);
        assert_eq!(bounded(&fits), fits);
        let cut = bounded("é".repeat(1 << 20));
        assert!(cut.len() <= MAX_TEXT, "{}", cut.len());
        let (kept, note) = cut.split_once('…').unwrap();
        assert!(kept.chars().all(|char| char == 'é'));
        assert_eq!(note, format!(" ({} bytes left out)", (2 << 20) - kept.len()));
        assert_eq!(bounded(&cut), cut, "what was cut stays as it is");
    }

    #[test]
    fn a_text_that_comes_in_pieces_is_cut_once() {
        let mut bounded = Bounded::default();
        for _ in 0..100 {
            bounded.add(format_args!("{}", "x".repeat(1_000)));
        }
        let cut = bounded.finish();
        let (kept, note) = cut.split_once('…').unwrap();
        assert_eq!(note, format!(" ({} bytes left out)", 100_000 - kept.len()));
    }
}
