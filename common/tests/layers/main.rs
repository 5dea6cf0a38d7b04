//! Who may use whom, read from the sources.
//!
//! - A top-level module uses lower layers only ([`LAYERS`]); inside of a layer, what [`NEIGHBOURS`] says.
//! - Modules that lie in one folder, with all that is below them, use each other in one direction: no cycles between
//!   siblings, in any folder of `common` and of its macros. A file and its own submodules (`foo.rs` and `foo/`) are no
//!   siblings: a file may use what is below it, and that the file's types.
//! - No store uses another one.
//!
//! A use is any path in the code: in a `use`, inside of an expression or a type, or among the tokens of a macro. It counts
//! for the module that it names, and for the one that it gets to by re-exports: a sibling's type by way of `super` is a
//! use of the sibling. What only tests build counts nowhere. What is permitted and no longer there fails as well.
//! A method has no path: that it is written in another file than its type is seen nowhere.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bites;
mod rules;
mod source;
mod tree;

use std::path::Path;

use crate::tree::Tree;

/// Modules by layer, lowest first.
const LAYERS: [&[&str]; 12] = [
    &["duration", "watching"],
    &["queue_name", "backoff", "clock", "url"],
    &["message", "error"],
    &["actor", "outcome"],
    &["store", "results"],
    &["middleware", "observe", "broker", "call", "composition", "rate_limits", "explain"],
    &["stores"],
    &["connect"],
    &["worker"],
    &["metrics"],
    &["cli", "conformance", "testing"],
    &["lab"],
];

/// Uses inside of one layer that are meant: left uses right.
const NEIGHBOURS: [(&str, &str); 9] = [
    ("message", "error"),
    ("actor", "outcome"),
    ("broker", "middleware"),
    ("broker", "observe"),
    ("broker", "explain"),
    ("call", "broker"),
    ("composition", "broker"),
    ("composition", "call"),
    ("rate_limits", "broker"),
];

fn common() -> Tree {
    Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_use_lower_layers_only() {
    none(&rules::layers(&common(), &LAYERS, &NEIGHBOURS));
}

#[test]
fn siblings_use_each_other_in_one_direction() {
    none(&rules::cycles(&common(), &[]));
}

#[test]
fn the_macros_modules_use_each_other_in_one_direction() {
    none(&rules::cycles(&Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("macros/src")), &[]));
}

#[test]
fn stores_do_not_use_each_other() {
    none(&rules::stores(&common()));
}
