//! A crate's modules, and who uses whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta, MetaNameValue};

use crate::source::{Names, Source, is_test};

/// A module, by its names from the crate's root on; the root has none.
pub(crate) type Place = Vec<String>;

/// How many re-exports one path may pass. A name that is bound to itself (`use serde::serde`) has no end of them.
const MAX_HOPS: usize = 8;

/// One path that leads from a module into another one.
#[derive(Debug)]
pub(crate) struct Use {
    /// Relative to the crate's sources.
    pub(crate) file: String,
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// The path as it is written.
    pub(crate) text: String,
}

impl Use {
    /// The folder that both ends share, and the two modules of it that they lie in. Nothing where one end lies in the
    /// other one.
    pub(crate) fn siblings(&self) -> Option<(&[String], &str, &str)> {
        let shared = self.from.iter().zip(&self.to).take_while(|(from, to)| from == to).count();
        Some((&self.from[..shared], self.from.get(shared)?, self.to.get(shared)?))
    }
}

/// All modules of a crate that are built without its tests.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: PathBuf,
    modules: BTreeMap<Place, (String, Source)>,
    /// The files that the modules lie in, and the files and folders of those that only tests build.
    files: BTreeSet<PathBuf>,
    tests: Vec<PathBuf>,
}

/// What a path leads to.
enum Found {
    Module(Place),
    Item(Place),
}

/// Where a `#[path = "…"]` says that a module lies.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    let path = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let Meta::NameValue(MetaNameValue { value: Expr::Lit(ExprLit { lit: Lit::Str(path), .. }), .. }) = &path.meta
    else {
        return None;
    };
    Some(path.value())
}

impl Tree {
    /// Reads the crate whose sources lie below `root`, from its `lib.rs` on.
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree = Self { root: root.to_owned(), ..Self::default() };
        tree.read_file(Vec::new(), &root.join("lib.rs"), root);
        let unread: Vec<_> = sources(root)
            .into_iter()
            .filter(|file| !tree.files.contains(file) && !tree.tests.iter().any(|tests| file.starts_with(tests)))
            .collect();
        assert!(unread.is_empty(), "no `mod` leads to {unread:?}");
        tree
    }

    fn read_file(&mut self, place: Place, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.files.insert(file.to_owned());
        self.read_items(&place, &parsed.items, file, folder);
    }

    /// Reads a module whose submodules lie in `folder`.
    fn read_items(&mut self, place: &Place, items: &[Item], file: &Path, folder: &Path) {
        let name = file.strip_prefix(&self.root).unwrap().display().to_string();
        self.modules.entry(place.clone()).or_insert_with(|| (name, Source::default()));
        for item in items {
            let Item::Mod(module) = item else {
                self.modules.get_mut(place).unwrap().1.read(item);
                continue;
            };
            let below = folder.join(module.ident.to_string());
            let child = [place.as_slice(), &[module.ident.to_string()]].concat();
            if is_test(&module.attrs) {
                self.tests.extend([below.with_extension("rs"), below]);
            } else if let Some(path) = path_of(&module.attrs) {
                let lies_at = file.with_file_name(&path).canonicalize().unwrap();
                let is_foreign = !lies_at.starts_with(self.root.canonicalize().unwrap());
                assert!(is_foreign, "{}: a module lies where its name says, without `#[path]`", file.display());
                // What two crates share belongs to the tree of the other one.
                self.modules.insert(child, (path, Source::default()));
            } else if let Some((_, items)) = &module.content {
                self.read_items(&child, items, file, &below);
            } else {
                self.read_file(child, &below.with_extension("rs"), &below);
            }
        }
    }

    /// The modules right below `place`.
    pub(crate) fn children<'a>(&'a self, place: &'a [String]) -> impl Iterator<Item = &'a str> {
        let below =
            self.modules.keys().filter(move |module| module.len() == place.len() + 1 && module.starts_with(place));
        below.filter_map(|module| module.last().map(String::as_str))
    }

    /// Whether a module below `place`, or it itself, implements a trait of this name.
    pub(crate) fn implements(&self, place: &[String], name: &str) -> bool {
        let mut below = self.modules.iter().filter(|(module, _)| module.starts_with(place));
        below.any(|(_, (_, source))| source.implemented.contains(name))
    }

    /// Everything that leads from one module into another one: once each, by the longest path that does.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (from, (file, source)) in &self.modules {
            let mut found: BTreeMap<Place, &Names> = BTreeMap::new();
            for path in &source.paths {
                let mut passed = BTreeSet::new();
                self.follow(from, path, &mut passed, MAX_HOPS);
                for to in passed {
                    let longest = found.entry(to).or_insert(path);
                    if path.len() > longest.len() {
                        *longest = path;
                    }
                }
            }
            uses.extend(found.into_iter().map(|(to, path)| Use {
                file: file.clone(),
                from: from.clone(),
                to,
                text: path.join("::"),
            }));
        }
        uses
    }

    /// Follows a path that is written in the module `from`: adds the modules that it leads to, by its own names and by
    /// re-exports. What another crate defines leads nowhere.
    fn follow(&self, from: &Place, path: &Names, passed: &mut BTreeSet<Place>, hops: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let mut found = match first.as_str() {
            "crate" => Found::Module(Vec::new()),
            "self" => Found::Module(from.clone()),
            "super" => Found::Module(parent(from)?),
            name => self.look_up(from, name, passed, hops)?,
        };
        for name in rest {
            let Found::Module(at) = &found else { break };
            let next =
                if name == "super" { parent(at).map(Found::Module) } else { self.look_up(at, name, passed, hops) };
            // What a macro makes, or another crate: it is reached by way of this module all the same.
            let Some(next) = next else { break };
            found = next;
        }
        let (Found::Module(place) | Found::Item(place)) = &found;
        passed.insert(place.clone());
        Some(found)
    }

    /// What `name` means in the module `at`.
    fn look_up(&self, at: &Place, name: &str, passed: &mut BTreeSet<Place>, hops: usize) -> Option<Found> {
        let hops = hops.checked_sub(1)?;
        let (_, source) = self.modules.get(at)?;
        let child = [at.as_slice(), &[name.to_owned()]].concat();
        if self.modules.contains_key(&child) {
            return Some(Found::Module(child));
        }
        if source.items.contains(name) {
            return Some(Found::Item(at.clone()));
        }
        if let Some(path) = source.bindings.get(name) {
            // Who gets to something by way of another module depends on that one too.
            passed.insert(at.clone());
            return self.follow(at, path, passed, hops);
        }
        if at.is_empty()
            && let Some((place, _)) = self.modules.iter().find(|(_, (_, source))| source.exported.contains(name))
        {
            return Some(Found::Item(place.clone()));
        }
        source.globs.iter().find_map(|glob| {
            let mut by_glob = BTreeSet::new();
            let Some(Found::Module(place)) = self.follow(at, glob, &mut by_glob, hops) else { return None };
            let found = self.look_up(&place, name, &mut by_glob, hops)?;
            passed.insert(at.clone());
            passed.append(&mut by_glob);
            Some(found)
        })
    }
}

fn parent(place: &Place) -> Option<Place> {
    place.split_last().map(|(_, above)| above.to_vec())
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
