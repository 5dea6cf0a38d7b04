//! What matters of all that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};
use std::time::SystemTime;

/// What cargo puts into its target folders.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// What matters.
#[derive(Debug)]
pub(super) struct Filter {
    /// As it was named, from the root of the file system on.
    folder: PathBuf,
    /// Where that is, links resolved.
    root: PathBuf,
    notes: PathBuf,
    /// What cargo noted of the last build.
    record: PathBuf,
    /// When it did so.
    written: Option<SystemTime>,
    /// All files that were read then: as they were named below the root, and as what they really are.
    read: BTreeSet<PathBuf>,
    /// The folders of those that are read by way of a link.
    linked: BTreeSet<PathBuf>,
}

impl Filter {
    pub(super) fn new(folder: &Path, program: &Path, notes: &Path) -> io::Result<Self> {
        let mut filter = Self {
            folder: path::absolute(folder)?,
            root: folder.canonicalize()?,
            notes: notes.canonicalize().unwrap_or_else(|_| notes.to_owned()),
            record: program.with_extension("d"),
            written: None,
            read: BTreeSet::new(),
            linked: BTreeSet::new(),
        };
        filter.read_record();
        Ok(filter)
    }

    /// The folder as it was named.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Looks where the folder is now: whether that is another place; none where there is no folder.
    pub(super) fn find_root(&mut self) -> Option<bool> {
        let root = self.folder.canonicalize().ok().filter(|root| root.is_dir())?;
        let is_new = root != self.root;
        if is_new {
            self.root = root;
            self.read_record();
        }
        Some(is_new)
    }

    /// Reads the record again if it is another one than before, which it tells.
    pub(super) fn refresh(&mut self) -> bool {
        let is_new = self.written != self.written_now();
        if is_new {
            self.read_record();
        }
        is_new
    }

    /// All folders that matter.
    pub(super) fn folders(&mut self) -> BTreeSet<PathBuf> {
        self.refresh();
        let mut folders = vec![self.root.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let inner: Vec<_> = inner.map(|entry| entry.path()).filter(|path| !is_skipped(path)).collect();
            folders.extend(inner);
            next += 1;
        }
        folders.into_iter().chain(self.linked.iter().cloned()).collect()
    }

    /// What has changed in a burst, for people.
    pub(super) fn changed(&mut self, burst: &BTreeMap<PathBuf, bool>) -> Option<String> {
        let changed: Vec<_> = burst.iter().filter(|(path, created)| self.matters(path, **created)).collect();
        let first = changed.first()?.0;
        let shown = if *first == self.root { &self.folder } else { first.strip_prefix(&self.root).unwrap_or(first) };
        let shown = shown.display();
        Some(match changed.len() {
            1 => shown.to_string(),
            all => format!("{shown} and {} more", all - 1),
        })
    }

    /// Whether a path in one of the folders matters. One that is gone mattered, unless it came and went: editors do that.
    pub(super) fn matters(&mut self, path: &Path, created: bool) -> bool {
        if path == self.root {
            // While it is gone there is nothing to build.
            path.is_dir()
        } else if path.is_dir() && !path.starts_with(&self.root) {
            self.linked.contains(path)
        } else if path.is_dir() {
            // What came with it may have been there before it was watched.
            !is_skipped(path) && has_sources(path)
        } else {
            self.is_read(path) && (!created || path.exists())
        }
    }

    /// Whether cargo reads a file of this name, to build the program.
    pub(super) fn is_read(&mut self, path: &Path) -> bool {
        if path == self.notes {
            return false;
        }
        self.refresh();
        // The file itself; or files in it, where it was a folder.
        let was_read = self.read.range(path.to_owned()..).next().is_some_and(|file| file.starts_with(path));
        // Beside what a link leads to lie the sources of others.
        was_read || (is_source(path) && path.starts_with(&self.root))
    }

    fn written_now(&self) -> Option<SystemTime> {
        fs::metadata(&self.record).and_then(|record| record.modified()).ok()
    }

    fn read_record(&mut self) {
        self.written = self.written_now();
        self.read.clear();
        self.linked.clear();
        let mut below = BTreeMap::new();
        for file in read_by(&fs::read_to_string(&self.record).unwrap_or_default()) {
            let Ok(real) = file.canonicalize() else {
                self.read.insert(file);
                continue;
            };
            if let Some(named) = self.as_below_root(&file, &mut below)
                && named != real
            {
                self.linked.extend(real.parent().map(Path::to_owned));
                self.read.insert(named);
            }
            self.read.insert(real);
        }
    }

    /// The path of a file that lies below the root, from there on as it was named. `known` are folders that were looked at.
    fn as_below_root(&self, file: &Path, known: &mut BTreeMap<PathBuf, bool>) -> Option<PathBuf> {
        let mut is_root = |folder: &Path| {
            *known
                .entry(folder.to_owned())
                .or_insert_with(|| folder.canonicalize().is_ok_and(|folder| folder == self.root))
        };
        let root = file.ancestors().skip(1).find(|folder| is_root(folder))?;
        Some(self.root.join(file.strip_prefix(root).ok()?))
    }
}

/// Whether a file is one that cargo reads wherever it lies.
fn is_source(path: &Path) -> bool {
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else { return false };
    !name.starts_with(b".") && (name.ends_with(b".rs") || name == b"Cargo.toml" || name == b"Cargo.lock")
}

/// Whether nothing in a folder matters.
fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    name.starts_with(b".") || name == b"target" || folder.join(CACHE_TAG).exists()
}

fn has_sources(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| (entry.file_type(), entry.path())).any(|(kind, path)| match kind {
        Ok(kind) if kind.is_dir() => !is_skipped(&path) && has_sources(&path),
        _ => is_source(&path),
    })
}

/// The files in a record, which is a line for `make`: `PROGRAM: FILE FILE`, with `\ ` for a space inside of a name.
fn read_by(record: &str) -> Vec<PathBuf> {
    let (_, files) = record.lines().next().and_then(|line| line.split_once(": ")).unwrap_or_default();
    let files = files.replace("\\ ", "\0");
    files.split(' ').filter(|file| !file.is_empty()).map(|file| file.replace('\0', " ").into()).collect()
}
