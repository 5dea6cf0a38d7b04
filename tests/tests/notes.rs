//! Notes and the changelog are reStructuredText that docutils has nothing to say about.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    fs,
    path::{Path, PathBuf},
};
use tests::{python, workspace};

/// Parses each file and prints what docutils has to say. Code isn't coloured: that would need one more package.
const PARSE: &str = r"
import sys
from docutils.core import publish_doctree

settings = {'report_level': 2, 'halt_level': 5, 'syntax_highlight': 'none', 'file_insertion_enabled': False}
for path in sys.argv[1:]:
    with open(path, encoding='utf-8') as file:
        publish_doctree(file.read(), source_path=path, settings_overrides=settings)
";

#[test]
fn every_rst_file_is_well_formed() {
    let files = rst_files(workspace::root());
    let paths: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
    let output = python::run(PARSE, &paths);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "docutils says:\n{said}");
}

#[test]
fn docutils_would_complain() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("README.rst");
    fs::write(&file, "A title\n=====\n\n`a link that leads nowhere`_\n").unwrap();
    let said = python::run(PARSE, &[file.to_str().unwrap()]).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("Title underline too short") && said.contains("Unknown target name"), "{said}");
}

/// In the root, and in each folder of the workspace below it.
fn rst_files(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let members = folders.into_iter().filter(|folder| folder.join("Cargo.toml").exists());
    let mut found: Vec<_> = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rst")).collect();
    found.extend(members.flat_map(|member| rst_files(&member)));
    found.sort();
    found
}
