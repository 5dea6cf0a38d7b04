//! The log excerpts in an experiment's README.rst, held against the pinned logs.
//!
//! A quoted log is a comment that names it, and a literal block, indented by four spaces:
//!
//! ```text
//! .. log: NAME
//!
//! ::
//!
//!     the log's lines,
//!     …
//!     as they are
//! ```
//!
//! Its lines stand in the log one after the other. A line that is `…` alone leaves some out: what follows it stands somewhere
//! below what precedes it.
//!
//! With `UPDATE_NOTES=1` a block that no longer agrees is replaced by the whole log. A block that leaves lines out can't be: only
//! a person knows which lines matter.

use crate::workspace;
use std::{fs, ops::Range, path::Path};

const FILE: &str = "README.rst";
const MARK: &str = ".. log: ";
const INDENT: &str = "    ";
const OMISSION: &str = "…";

/// The names of all logs that the notes of an experiment quote.
///
/// # Panics
/// When there are notes that can't be read.
#[must_use]
pub fn quoted(experiment: &Path) -> Vec<String> {
    let names = read(experiment);
    names.lines().filter_map(|line| line.strip_prefix(MARK)).map(|name| name.trim().to_owned()).collect()
}

/// Whether the notes quote a log of that name. An experiment without notes quotes none.
///
/// # Panics
/// As [`quoted`] does.
#[must_use]
pub fn quotes(experiment: &Path, name: &str) -> bool {
    experiment.join(FILE).exists() && quoted(experiment).iter().any(|quoted| quoted == name)
}

/// Compares the blocks of that name with the log they quote, or, with `UPDATE_NOTES=1`, makes them agree.
///
/// # Panics
/// When there is no such block, or it doesn't agree with the log.
pub fn check(experiment: &Path, name: &str, expected_log: &str) {
    let notes = read(experiment);
    let checked = compare(&notes, name, expected_log, workspace::updates());
    let path = experiment.join(FILE);
    let checked = checked.unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
    if checked != notes {
        fs::write(&path, checked).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn read(experiment: &Path) -> String {
    let path = experiment.join(FILE);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The notes as they should be; without `update` those are the notes as they are.
fn compare(notes: &str, name: &str, log: &str, update: bool) -> Result<String, String> {
    let mut lines: Vec<String> = notes.lines().map(str::to_owned).collect();
    let log: Vec<&str> = log.trim_end().lines().collect();
    let mut found = false;
    let mut at = 0;
    while at < lines.len() {
        at += 1;
        if lines[at - 1].strip_prefix(MARK).is_none_or(|marked| marked.trim() != name) {
            continue;
        }
        found = true;
        let block = block(&lines, at)?;
        let text: Vec<&str> = lines[block.clone()].iter().map(|line| line.strip_prefix(INDENT).unwrap_or("")).collect();
        let Err(wrong) = agree(&text, &log) else { continue };
        if !update {
            return Err(format!("line {at}, `{MARK}{name}`: {wrong}\nUPDATE_NOTES=1 writes what is right.\n"));
        }
        if text.iter().any(|line| line.trim() == OMISSION) {
            return Err(format!(
                "line {at}, `{MARK}{name}`: {wrong}\nThe block leaves lines out, so it has to be rewritten by hand.\n"
            ));
        }
        let right = log.iter().map(|line| format!("{INDENT}{line}").trim_end().to_owned());
        lines.splice(block, right);
    }
    if found {
        Ok(lines.join("\n") + if notes.ends_with('\n') { "\n" } else { "" })
    } else {
        Err(format!("there is no `{MARK}{name}`"))
    }
}

/// The lines of the literal block that belongs to the mark above line `after`.
fn block(lines: &[String], after: usize) -> Result<Range<usize>, String> {
    let form = [String::new(), "::".to_owned(), String::new()];
    let start = after + form.len();
    let begins = lines.get(after..start) == Some(form.as_slice())
        && lines.get(start).is_some_and(|line| line.starts_with(INDENT));
    if !begins {
        return Err(format!(
            "line {after}: a blank line, `::`, a blank line and a block indented by four spaces must follow"
        ));
    }
    let inside = |line: &&String| line.is_empty() || line.starts_with(INDENT);
    let length = lines[start..].iter().take_while(inside).count();
    let blank = lines[start..start + length].iter().rev().take_while(|line| line.is_empty()).count();
    Ok(start..start + length - blank)
}

/// Each part between omissions stands in the log in one piece, in that order; without an omission the block is one piece.
fn agree(block: &[&str], log: &[&str]) -> Result<(), String> {
    let mut from = 0;
    for part in block.split(|line| line.trim() == OMISSION).filter(|part| !part.is_empty()) {
        let same = |lines: &[&str]| lines.iter().zip(part).all(|(line, quoted)| line.trim_end() == quoted.trim_end());
        let found = log[from..].windows(part.len()).position(same);
        let Some(found) = found else {
            let whole = log.join("\n");
            let part = part.join("\n");
            return Err(format!("the log doesn't say\n\n{part}\n\nIt says\n\n{whole}\n"));
        };
        from += found + part.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str = "\
Title
=====

.. log: worker

::

     slot 1  m1  starts

     slot 1  m1  done

And so it goes.

.. log: short

::

    …
     slot 1  m1  done
    …

The end.
";
    const LOG: &str = " broker\n slot 1  m1  starts\n\n slot 1  m1  done\n stopped\n";

    #[test]
    fn a_block_that_the_log_says_is_right() {
        assert_eq!(compare(NOTES, "worker", LOG, false).unwrap(), NOTES);
        assert_eq!(compare(NOTES, "short", LOG, false).unwrap(), NOTES);
        // An update leaves alone what is right.
        assert_eq!(compare(NOTES, "worker", LOG, true).unwrap(), NOTES);
    }

    #[test]
    fn a_block_that_the_log_does_not_say_is_wrong() {
        let wrong = compare(NOTES, "worker", " broker\n", false).unwrap_err();
        assert!(wrong.contains("line 4") && wrong.contains("UPDATE_NOTES=1"), "{wrong}");
        let other_order = " slot 1  m1  done\n slot 1  m1  starts\n\n";
        assert!(compare(NOTES, "worker", other_order, false).is_err());
    }

    #[test]
    fn an_omission_keeps_the_order() {
        assert!(agree(&["a", "…", "c"], &["a", "b", "c"]).is_ok());
        assert!(agree(&["c", "…", "a"], &["a", "b", "c"]).is_err());
        assert!(agree(&["a", "c"], &["a", "b", "c"]).is_err());
    }

    #[test]
    fn an_update_writes_the_whole_log() {
        let updated = compare(NOTES, "worker", " new\n\n log\n", true).unwrap();
        assert!(updated.contains(".. log: worker\n\n::\n\n     new\n\n     log\n\nAnd so it goes.\n"), "{updated}");
        assert!(updated.ends_with("The end.\n"));
    }

    #[test]
    fn an_update_leaves_omissions_to_a_person() {
        let wrong = compare(NOTES, "short", "new\n", true).unwrap_err();
        assert!(wrong.contains("by hand"), "{wrong}");
    }

    #[test]
    fn a_name_that_is_not_quoted_is_an_error() {
        assert!(compare(NOTES, "sender", LOG, false).unwrap_err().contains("no `.. log: sender`"));
        assert!(compare(".. log: worker\n\ntext\n", "worker", LOG, false).unwrap_err().contains("must follow"));
    }

    #[test]
    fn notes_are_read_from_the_experiment_s_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!quotes(folder.path(), "worker"));
        fs::write(folder.path().join(FILE), NOTES).unwrap();
        assert_eq!(quoted(folder.path()), ["worker", "short"]);
        assert!(quotes(folder.path(), "short"));
        check(folder.path(), "short", LOG);
        assert_eq!(read(folder.path()), NOTES);
    }
}
