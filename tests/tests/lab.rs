//! The lab is in order: experiments are numbered without a gap, what names one agrees, and nothing lies about.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use tests::{notes, workspace};

/// What notes have, whatever else they have. Some headings have two names.
const HEADINGS: [&[&str]; 5] =
    [&["Goals", "Goal", "Question"], &["To run it"], &["Lessons"], &["Questions"], &["Issues"]];

#[test]
fn experiments_are_numbered_from_1_without_a_gap() {
    let numbers: Vec<usize> = experiments().iter().map(|name| name[1..3].parse().unwrap()).collect();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert!(!numbers.is_empty(), "there are no experiments");
    assert_eq!(numbers, expected);
}

#[test]
fn folder_package_and_binary_have_one_name() {
    let packages = packages();
    for name in experiments() {
        let package = packages.get(&name);
        let package = package.unwrap_or_else(|| panic!("`{name}` isn't a member of the workspace, or not by its name"));
        assert_eq!(Path::new(package["manifest_path"].as_str().unwrap()), folder(&name).join("Cargo.toml"));
        let binaries: Vec<_> = targets(package, "bin").collect();
        assert_eq!(binaries, [name.as_str()], "the binary of `{name}`");
    }
}

#[test]
fn notes_are_titled_after_their_experiment() {
    for name in experiments() {
        let title = headings(&readme(&name)).into_iter().next().unwrap_or_default();
        // `e02_error_handling`, `02 Error handling` and `Experiment 02: error handling` are all right.
        let words = title.to_lowercase();
        let words = words.strip_prefix("experiment ").unwrap_or(&words);
        let words: Vec<&str> =
            words.split(|part: char| !part.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let title_as_name = words.join("_");
        let agrees = title_as_name == name || title_as_name == name[1..];
        assert!(agrees, "the title of {name}/README.rst is `{title}`");
    }
}

#[test]
fn notes_have_their_headings() {
    for name in experiments() {
        let there = headings(&readme(&name));
        for names in HEADINGS {
            let found = names.iter().any(|name| there.iter().any(|heading| heading == name));
            assert!(found, "{name}/README.rst has no heading `{}`", names[0]);
        }
    }
}

#[test]
fn notes_quote_a_log_and_only_pinned_ones() {
    for name in experiments() {
        let folder = folder(&name);
        let quoted = notes::quoted(&folder);
        assert!(!quoted.is_empty(), "{name}/README.rst quotes no log (`.. log: NAME`)");
        for log in quoted {
            let snapshot = folder.join(format!("tests/snapshots/{log}.snap"));
            let text = fs::read_to_string(&snapshot);
            let text =
                text.unwrap_or_else(|error| panic!("no test owns `{log}` of {name}: {}: {error}", snapshot.display()));
            // The log stands below insta's header, which ends with the second `---`.
            let log_text = text.splitn(3, "---\n").nth(2).unwrap_or_default();
            notes::check(&folder, &log, log_text);
        }
    }
}

#[test]
fn the_index_has_every_experiment() {
    let index = read(&workspace::root().join("README.rst"));
    for name in experiments() {
        assert!(index.contains(&name), "README.rst has no row for {name}");
    }
}

#[test]
fn every_file_of_an_experiment_belongs_there() {
    for name in experiments() {
        let root = folder(&name);
        for file in files(&root) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let parts: Vec<&str> = path.split('/').collect();
            let end = file.extension().unwrap_or_default();
            let belongs = match parts.as_slice() {
                ["Cargo.toml" | "README.rst"] => true,
                ["src", .., _] | ["tests", _] => end == "rs",
                ["tests", "snapshots", _] => end == "snap",
                _ => false,
            };
            assert!(belongs, "{name}/{path} doesn't belong into an experiment");
        }
    }
}

/// The names of the experiments' folders, in order.
fn experiments() -> Vec<String> {
    let names = fs::read_dir(workspace::root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_experiment = |name: &String| match name.as_bytes() {
        [b'e', tens, ones, b'_', _, ..] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        _ => false,
    };
    let mut names: Vec<_> = names.filter(is_experiment).collect();
    names.sort();
    names
}

/// The workspace's packages, as cargo sees them.
fn packages() -> BTreeMap<String, Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(metadata).current_dir(workspace::root()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

fn targets<'a>(package: &'a Value, kind: &str) -> impl Iterator<Item = &'a str> {
    let targets = package["targets"].as_array().unwrap().iter();
    targets.filter(move |target| target["kind"][0] == kind).map(|target| target["name"].as_str().unwrap())
}

fn folder(name: &str) -> PathBuf {
    workspace::root().join(name)
}

fn readme(name: &str) -> String {
    read(&folder(name).join("README.rst"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The title and the headings: lines with a line of one repeated mark below.
fn headings(text: &str) -> Vec<String> {
    let is_underline = |line: &str| {
        let mark = line.chars().next().filter(char::is_ascii_punctuation);
        mark.is_some_and(|mark| line.len() > 2 && line.chars().all(|other| other == mark))
    };
    let pairs = text.lines().zip(text.lines().skip(1));
    let headings = pairs.filter(|(line, below)| {
        !line.is_empty() && !line.starts_with(' ') && !is_underline(line) && is_underline(below)
    });
    headings.map(|(line, _)| line.trim().to_owned()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}
