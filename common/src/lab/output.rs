//! Writing to the terminal: one write a text, and a reader that has gone is no error.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

/// Writes `text` to stdout as it is.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Somebody who closed the pipe (`| head`) does not want the rest.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes `bytes` to stdout as they are.
pub(super) fn pass_on(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes `text` to stderr as it is, in one piece.
pub(super) fn log(text: &str) {
    // Where the log can't be written there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes why the program ends to stderr, in clap's words.
pub(super) fn error(text: &str) {
    log(&format!("error: {text}\n"));
}

/// Whether stderr shows colours, and its reader wants them.
pub(super) fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person reads stdout.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Appends `text` so that nothing in it passes for another line, or commands the terminal.
pub(super) fn escape(line: &mut String, text: &str, indent: usize) {
    for c in text.chars() {
        match c {
            '\n' if indent > 0 => {
                line.push('\n');
                line.extend(std::iter::repeat_n(' ', indent));
            }
            '\t' => line.push(c),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
}
