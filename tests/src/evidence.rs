//! Tables of what has to hold, each row with the tests that show it: generated, so that they cannot say what is no longer so.

use crate::workspace;
use common::conformance::PROMISES;
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

/// One thing that has to hold.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What it is called elsewhere; unique in its table.
    pub id: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// What shows it: `path/of/file.rs::name_of_a_test`, `promise::name` for a test that runs on every store, or
    /// `docs::path/of/file::words that stand there`.
    pub shown: &'static [&'static str],
    /// What of it is not shown yet; empty for nothing.
    pub open: &'static str,
}

/// What is wrong with a table: an id twice, evidence that is not there, a row with neither evidence nor a word about what is open.
#[must_use]
pub fn problems(rows: &[Row]) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut problems = Vec::new();
    for row in rows {
        if !ids.insert(row.id) {
            problems.push(format!("{}: there are two rows of this id", row.id));
        }
        if row.shown.is_empty() && row.open.is_empty() {
            problems.push(format!("{}: nothing shows it, and nothing is called open", row.id));
        }
        problems.extend(row.shown.iter().filter_map(|shown| missing(shown)).map(|why| format!("{}: {why}", row.id)));
    }
    problems
}

/// Why a piece of evidence is none.
fn missing(shown: &str) -> Option<String> {
    if let Some(promise) = shown.strip_prefix("promise::") {
        return (!PROMISES.contains(&promise)).then(|| format!("no promise is called {promise}"));
    }
    let (path, name) = shown.strip_prefix("docs::").unwrap_or(shown).rsplit_once("::").unwrap_or((shown, ""));
    let Ok(text) = fs::read_to_string(workspace::root().join(path)) else {
        return Some(format!("there is no file {path}"));
    };
    let is_there = if shown.starts_with("docs::") { says(&text, name) } else { has_test(&text, name) };
    (!is_there).then(|| format!("{path} has no `{name}`"))
}

/// Whether a text says something, wherever its lines break.
fn says(text: &str, words: &str) -> bool {
    let plain: Vec<_> =
        text.split_whitespace().filter(|word| !matches!(*word, "//!" | "///" | "//" | "--" | "#")).collect();
    plain.join(" ").contains(words)
}

/// Whether a function of this name stands below an attribute that makes it a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim_start).collect();
    let of = format!("fn {name}(");
    let is_it = |line: &&str| line.strip_prefix("async ").unwrap_or(line).starts_with(&of);
    let Some(at) = lines.iter().position(is_it) else { return false };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// A table as reStructuredText, under a title and a few words.
#[must_use]
pub fn table(title: &str, about: &str, parts: &[(&str, &[Row])]) -> String {
    let mut text = format!("{title}\n{}\n\n{}\n", "=".repeat(title.len()), about.trim());
    for (part, rows) in parts {
        let _ = write!(text, "\n{part}\n{}\n\n", "-".repeat(part.len()));
        let cells = rows.iter().map(|Row { id, what, shown, open }| {
            let open = (!open.is_empty()).then(|| format!("*open:* {open}"));
            (*id, *what, shown.iter().map(|shown| cell(shown)).chain(open).collect())
        });
        list(&mut text, ["id", "fault", "shown by"], cells);
    }
    text
}

/// Rows of an id, what it stands for, and paragraphs about that.
pub fn list<'a>(text: &mut String, head: [&str; 3], rows: impl Iterator<Item = (&'a str, &'a str, Vec<String>)>) {
    let [id, what, about] = head;
    let _ = write!(
        text,
        ".. list-table::\n   :header-rows: 1\n   :widths: 6 44 50\n\n   * - {id}\n     - {what}\n     - {about}\n"
    );
    for (id, what, paragraphs) in rows {
        let _ = writeln!(text, "   * - {id}\n     - {what}\n     - {}", paragraphs.join("\n\n       "));
    }
}

/// A verdict, and the evidence for it, as paragraphs.
#[must_use]
pub fn cells(shown: &[&str], verdict: String) -> Vec<String> {
    std::iter::once(verdict).chain(shown.iter().map(|shown| cell(shown))).collect()
}

/// A piece of evidence for readers.
fn cell(shown: &str) -> String {
    if let Some(promise) = shown.strip_prefix("promise::") {
        return format!("``{promise}``, on every store");
    }
    match shown.strip_prefix("docs::").and_then(|docs| docs.rsplit_once("::")) {
        Some((path, words)) => format!("{path} says: \"{words}\""),
        None => format!("``{shown}``"),
    }
}

/// Holds a file against what its table says now; `UPDATE_NOTES=1` writes it.
///
/// # Panics
/// When the file says something else.
pub fn hold(path: &str, expected: &str) {
    let file: &Path = &workspace::root().join(path);
    if workspace::updates() {
        fs::write(file, expected).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let found = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(found == expected, "{path} is not what the tests say; UPDATE_NOTES=1 writes what is right");
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "tests/src/evidence.rs::what_is_gone_is_named";

    fn row(id: &'static str, shown: &'static [&'static str], open: &'static str) -> Row {
        Row { id, what: "", shown, open }
    }

    #[test]
    fn what_is_gone_is_named() {
        let right =
            ["promise::dead_letters_expire", HERE, "docs::tests/src/evidence.rs::so that they cannot say what is"];
        assert_eq!(right.map(missing), [None, None, None]);
        for (shown, why) in [
            ("promise::nobody_promised_this", "no promise is called"),
            ("tests/src/gone.rs::a_test", "there is no file"),
            ("tests/src/evidence.rs::a_test_that_is_gone", "has no `a_test_that_is_gone`"),
            ("tests/src/evidence.rs::row", "has no `row`"),
            ("docs::tests/src/evidence.rs::never to be found", ""),
        ] {
            // The last one stands right here.
            assert!(missing(shown).map_or(why.is_empty(), |found| found.contains(why)), "{shown}");
        }
    }

    #[test]
    fn a_row_without_evidence_says_what_is_open() {
        assert_eq!(problems(&[row("1", &[HERE], ""), row("2", &[], "all of it")]), [""; 0]);
        let found = problems(&[row("1", &[], ""), row("1", &[HERE], "")]);
        assert_eq!(found, ["1: nothing shows it, and nothing is called open", "1: there are two rows of this id"]);
    }
}
