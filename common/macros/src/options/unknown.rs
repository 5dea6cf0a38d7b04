//! What is said of an option that does not exist.

use super::KNOWN;

/// The sentence, with the option that may have been meant.
pub(super) fn unknown(name: &str) -> String {
    let known: Vec<_> = KNOWN.iter().map(|(known, _)| format!("`{known}`")).collect();
    let meant = KNOWN
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| known.contains(name) || name.contains(known) || distance(known, name) <= name.len() / 3)
        .min_by_key(|known| distance(known, name))
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default();
    format!("`#[actor]` has no option `{name}`; it knows {}{meant}", known.join(", "))
}

/// How many letters have to be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
