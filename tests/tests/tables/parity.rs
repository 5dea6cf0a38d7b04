//! Every row of a reference of dramatiq 2.2, and how it is here.

mod command_line;
mod features;
mod middleware;
mod redis;
mod weaknesses;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tests::evidence::{self, Row};

/// Where the table is.
const TABLE: &str = "tests/PARITY.rst";

const ABOUT: &str = "
dramatiq 2.2, taken apart into rows: what it can do, how it behaves, what lies in Redis, and where it is weak. A weakness is told as what
it asks for. Beside each stands how that is here:

* *holds*: it is so here, and a test shows it;
* *differs*: how, and why that is better;
* *not applicable*: why;
* *open*: missing today.

Where a weakness (W) asks for the opposite of another row, W wins, and the row says so. This file is written from
``tests/tests/tables/parity`` (``UPDATE_NOTES=1 cargo test -p tests --test tables``), and a test that is named here and gone fails the
build.
";

/// The rows of the reference: what each family is, the letter of its ids, and how many they are.
const FAMILIES: [(&str, &str, u32); 5] = [
    ("Features", "D", 151),
    ("Command line and processes", "C", 60),
    ("What lies in Redis", "R", 44),
    ("What each side reads of the other", "X", 14),
    ("Weaknesses", "W", 54),
];

/// How a row of the reference is here.
struct Judged {
    id: &'static str,
    /// What it is about, in a few words.
    what: &'static str,
    verdict: Verdict,
    /// As in [`Row`].
    shown: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Verdict {
    Holds,
    Differs(&'static str),
    NotApplicable(&'static str),
    Open(&'static str),
}

const fn holds(id: &'static str, what: &'static str, shown: &'static [&'static str]) -> Judged {
    Judged { id, what, verdict: Verdict::Holds, shown }
}

const fn differs(id: &'static str, what: &'static str, how: &'static str, shown: &'static [&'static str]) -> Judged {
    Judged { id, what, verdict: Verdict::Differs(how), shown }
}

const fn not_applicable(id: &'static str, what: &'static str, why: &'static str) -> Judged {
    Judged { id, what, verdict: Verdict::NotApplicable(why), shown: &[] }
}

const fn open(id: &'static str, what: &'static str, missing: &'static str) -> Judged {
    Judged { id, what, verdict: Verdict::Open(missing), shown: &[] }
}

impl Verdict {
    /// Its column in the counts.
    fn index(self) -> usize {
        match self {
            Self::Holds => 0,
            Self::Differs(_) => 1,
            Self::NotApplicable(_) => 2,
            Self::Open(_) => 3,
        }
    }

    /// What is said beside it; nothing where it holds.
    fn remark(self) -> &'static str {
        match self {
            Self::Holds => "",
            Self::Differs(text) | Self::NotApplicable(text) | Self::Open(text) => text,
        }
    }
}

/// What the columns of the counts are called.
const VERDICTS: [&str; 4] = ["holds", "differs", "not applicable", "open"];

fn all() -> impl Iterator<Item = &'static Judged> {
    let parts = [
        features::FEATURES,
        middleware::MIDDLEWARE,
        command_line::COMMAND_LINE,
        redis::REDIS,
        redis::EXCHANGE,
        weaknesses::WEAKNESSES,
    ];
    parts.into_iter().flatten()
}

fn rows_of(letter: &str) -> impl Iterator<Item = &'static Judged> {
    all().filter(move |row| row.id.starts_with(letter))
}

#[test]
fn no_row_of_the_reference_is_left_out() {
    let numbers = |(_, letter, last): &(_, &'static str, u32)| {
        let letter = *letter;
        (1..=*last).map(move |number| format!("{letter}-{number:03}"))
    };
    let expected: BTreeSet<_> = FAMILIES.iter().flat_map(numbers).collect();
    let found: BTreeSet<_> = all().map(|row| row.id.to_owned()).collect();
    assert_eq!(expected.difference(&found).collect::<Vec<_>>(), [""; 0], "missing");
    assert_eq!(found.difference(&expected).collect::<Vec<_>>(), [""; 0], "not in the reference");
    assert_eq!(all().count(), expected.len(), "each once");
}

#[test]
fn every_row_has_its_evidence() {
    let as_row = |row: &Judged| Row { id: row.id, what: row.what, shown: row.shown, open: row.verdict.remark() };
    let rows: Vec<Row> = all().map(as_row).collect();
    assert_eq!(evidence::problems(&rows), [""; 0]);
    let untested = |row: &&Judged| {
        matches!(row.verdict, Verdict::Holds) && row.shown.iter().all(|shown| shown.starts_with("docs::"))
    };
    assert_eq!(all().filter(untested).map(|row| row.id).collect::<Vec<_>>(), [""; 0], "without a test");
    evidence::hold(TABLE, &table());
}

/// A weakness that is one here as well has nothing to ask for.
#[test]
fn a_weakness_wins_only_where_it_is_mended() {
    let is_mended = |row: &&Judged| matches!(row.verdict, Verdict::Holds | Verdict::Differs(_));
    let mended: BTreeSet<_> = rows_of("W").filter(is_mended).map(|row| row.id).collect();
    for row in all() {
        let Some((before, _)) = row.verdict.remark().split_once(" wins").or(row.verdict.remark().split_once(" win:"))
        else {
            continue;
        };
        let named: Vec<_> = before.split([' ', ',', ';']).filter(|word| word.starts_with("W-")).collect();
        assert!(!named.is_empty(), "{}: which one wins?", row.id);
        for weakness in named {
            assert!(mended.contains(weakness), "{}: {weakness} wins, and is not mended", row.id);
        }
    }
}

fn table() -> String {
    let mut text = format!("Parity\n======\n\n{}\n\n", ABOUT.trim());
    counts(&mut text);
    for (family, letter, _) in FAMILIES {
        let cells = rows_of(letter).map(|row| {
            let word = VERDICTS[row.verdict.index()];
            let remark = row.verdict.remark();
            let verdict = if remark.is_empty() { format!("*{word}*") } else { format!("*{word}:* {remark}") };
            (row.id, row.what, evidence::cells(row.shown, verdict))
        });
        let _ = write!(text, "\n{family}\n{}\n\n", "-".repeat(family.len()));
        evidence::list(&mut text, ["id", "dramatiq", "here"], cells);
    }
    text
}

/// How many rows there are of each kind.
fn counts(text: &mut String) {
    text.push_str(".. list-table::\n   :header-rows: 1\n\n   * - \\\n");
    for verdict in VERDICTS.iter().chain(&["rows"]) {
        let _ = writeln!(text, "     - {verdict}");
    }
    let line = |text: &mut String, name: &str, rows: &[&Judged]| {
        let _ = writeln!(text, "   * - {name}");
        for index in 0..VERDICTS.len() {
            let _ = writeln!(text, "     - {}", rows.iter().filter(|row| row.verdict.index() == index).count());
        }
        let _ = writeln!(text, "     - {}", rows.len());
    };
    for (family, letter, _) in FAMILIES {
        line(text, &format!("{family} ({letter})"), &rows_of(letter).collect::<Vec<_>>());
    }
    line(text, "all", &all().collect::<Vec<_>>());
}
