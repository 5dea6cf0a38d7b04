//! Who may use whom: every `use crate::…` line against the table of layers. Lower layers only; implementations never
//! import each other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by layer, lowest first.
const LAYERS: [&[&str]; 9] = [
    &["queue_name", "backoff", "clock", "url"],
    &["message", "error"],
    &["actor", "outcome"],
    &["store", "results"],
    &["middleware", "broker", "call", "explain"],
    &["stores"],
    &["connect"],
    &["worker"],
    &["lab", "conformance", "testing"],
];

/// Uses inside of one layer that are meant: left uses right.
const NEIGHBOURS: [(&str, &str); 7] = [
    ("backoff", "clock"),
    ("message", "error"),
    ("error", "message"),
    ("actor", "outcome"),
    ("broker", "middleware"),
    ("call", "broker"),
    ("conformance", "stores"),
];

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("`{module}` has no layer: give it one in tests/layers.rs"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The modules that a file uses, by their first name below the crate.
fn used(text: &str) -> Vec<&str> {
    // What a file's own tests use builds nothing.
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let uses = code.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("use crate::"));
    uses.map(|path| path.split([':', ';', ' ']).next().unwrap_or(path)).collect()
}

#[test]
fn modules_use_lower_layers_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        for target in used(&fs::read_to_string(&path).unwrap()) {
            // A macro is exported from the crate's root, wherever it is written.
            let is_module = LAYERS.iter().any(|layer| layer.contains(&target));
            let allowed = !is_module
                || target == module
                || layer(target) < layer(module)
                || NEIGHBOURS.contains(&(module, target));
            if !allowed {
                wrong.push(format!("{}: {module} uses {target}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stores_do_not_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stores");
    for path in sources(&root) {
        let store = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let text = fs::read_to_string(&path).unwrap();
        for other in ["memory", "redis"].iter().filter(|other| **other != store) {
            assert!(!text.contains(&format!("stores::{other}")), "{} imports {other}", path.display());
        }
    }
}
