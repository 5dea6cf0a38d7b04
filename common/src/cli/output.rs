//! Writing to the terminal: one write a text, and a reader that has gone is no error.
//!
//! Once a log is kept, everything on stderr goes through its writer (writer.rs), so that all of it stays in order and nobody
//! waits for who reads it.

mod log_file;
mod writer;

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::log_file::LogFile;
use self::writer::Writer;

/// What writes to stderr, or to a file, from the moment on that there is a log.
static WRITER: OnceLock<Writer> = OnceLock::new();

/// Whether the log goes to a file.
static IS_FILE: AtomicBool = AtomicBool::new(false);

/// From now on a thread of its own writes to stderr, or to a file. `gap` makes the line that says how many were left out.
pub(super) fn write_behind(file: Option<LogFile>, gap: impl Fn(usize) -> String + Send + 'static) -> io::Result<()> {
    IS_FILE.store(file.is_some(), Ordering::Relaxed);
    let writer = match file {
        Some(file) => Writer::start(file, gap)?,
        None => Writer::start(io::stderr(), gap)?,
    };
    // A second one would have nothing to do.
    let _ = WRITER.set(writer);
    Ok(())
}

/// Waits until everything for stderr is written, unless nobody reads it.
pub(super) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush();
    }
}

/// Writes `text` to stdout as it is, behind everything that was logged before.
pub(super) fn print(text: &str) {
    flush();
    pass_on(text.as_bytes());
}

/// Writes `bytes` to stdout as they are.
pub(super) fn pass_on(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // Somebody who closed the pipe (`| head`) does not want the rest.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes `text` to the log as it is, in one piece.
pub(super) fn log(text: &str) {
    match WRITER.get() {
        Some(writer) => writer.put(text),
        // Where the log can't be written there is nobody to tell.
        None => drop(io::stderr().lock().write_all(text.as_bytes())),
    }
}

/// Writes why the program ends to the log, in clap's words, and to stderr in any case.
pub(super) fn error(text: &str) {
    let text = format!("error: {}\n", harmless(text));
    log(&text);
    if IS_FILE.load(Ordering::Relaxed) {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }
}

/// Whether the log shows colours, and its reader wants them.
pub(super) fn has_colours() -> bool {
    !IS_FILE.load(Ordering::Relaxed)
        && io::stderr().is_terminal()
        && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person reads stdout.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Appends `text` so that nothing in it passes for another line, or commands the terminal.
pub(super) fn escape(line: &mut String, text: &str, indent: usize) {
    let mut signs = text.chars().peekable();
    while let Some(c) = signs.next() {
        match c {
            // A line's end is one of its two usual forms.
            '\r' if indent > 0 && signs.peek() == Some(&'\n') => {}
            '\n' if indent > 0 => {
                line.push('\n');
                line.extend(std::iter::repeat_n(' ', indent));
            }
            '\t' => line.push(c),
            c if is_command(c) => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
}

/// A text of several lines of which nothing commands the terminal but their ends.
pub(super) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            clean.push('\n');
        }
        escape(&mut clean, line, 0);
    }
    clean
}

/// Whether a terminal obeys a sign instead of showing it: it moves, colours or erases, or shows text in another order than it
/// is read.
pub(super) fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        let escaped = |text: &str| {
            let mut line = String::new();
            escape(&mut line, text, 2);
            line
        };
        assert_eq!(escaped("\u{1b}[31mred\u{7}, \u{9b}31mred"), "\\u{1b}[31mred\\u{7}, \\u{9b}31mred");
        assert_eq!(escaped("\u{202e}der"), "\\u{202e}der");
        assert_eq!(escaped("one\ttwo\r\nthree\rfour"), "one\ttwo\n  three\\rfour");
        assert_eq!(escaped("Zürich, 東京 🙂"), "Zürich, 東京 🙂");
        assert_eq!(harmless("one\n\u{1b}two\n"), "one\n\\u{1b}two\n");
    }
}
