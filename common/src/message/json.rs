//! Strings as Python writes them: pure ASCII.

use std::fmt::Write as _;

/// The one ASCII character that JSON lets pass and Python escapes.
pub(super) const DELETE: u8 = 0x7f;

/// Appends a JSON string in pure ASCII.
pub(super) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        json.push_str(text);
        json.push('"');
        return;
    }
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            _ => push_char(json, char),
        }
    }
    json.push('"');
}

/// Appends a character that is no quote, backslash or named control character, escaped unless it is printable ASCII.
pub(super) fn push_char(json: &mut String, char: char) {
    if matches!(char, ' '..='~') {
        json.push(char);
        return;
    }
    for unit in char.encode_utf16(&mut [0; 2]) {
        // Writing into a string cannot fail.
        let _ = write!(json, "\\u{unit:04x}");
    }
}
