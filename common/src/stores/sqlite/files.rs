//! The files on the disk: which ones are meant, and whether they are still those that were opened.
//!
//! Where the database is reached through links, they are followed once, when it is opened: its log, its bell and the guards against
//! damage belong to the file, not to the link, and whoever opens the file itself must meet the same ones.
//!
//! SQLite goes on writing to a file that was deleted or moved away, where nobody else will ever see it; so each call looks first.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// As many links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// Where the database is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file itself; no part of this is a link.
    pub(super) path: PathBuf,
    /// As it was named, absolute.
    named: PathBuf,
}

impl Place {
    /// Follows the links of a path, whose file may not exist yet. A link to a file that is not there names where it will be.
    pub(super) fn find(path: &Path) -> Result<Self, StoreError> {
        let refused = |why: String| Err(StoreError::Refused(why));
        // Whatever becomes of the working directory.
        let named = std::path::absolute(path).map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut path = named.clone();
        for _ in 0..MOST_LINKS {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                return refused(format!("{} is a folder: name a file in it", path.display()));
            };
            let folder = folder.canonicalize().map_err(|error| StoreError::Refused(no_folder(folder, &error)))?;
            if !folder.is_dir() {
                return refused(no_folder(&folder, &ErrorKind::NotADirectory.into()));
            }
            let at = folder.join(name);
            match fs::read_link(&at) {
                // Relative to where the link is; an absolute one takes the place of all of it.
                Ok(target) => path = folder.join(target),
                // It is no link, or there is nothing yet; what else is wrong is told by who opens it.
                Err(_) => return Ok(Self { path: at, named }),
            }
        }
        refused(format!("{} leads round and round: its links name each other", named.display()))
    }

    /// The database, its log and the log's index, and the link that leads there.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let link = (self.named != self.path).then(|| self.named.clone());
        [self.path.clone(), beside(&self.path, "-wal"), beside(&self.path, "-shm")].into_iter().chain(link)
    }
}

/// Why a folder cannot be entered.
fn no_folder(folder: &Path, error: &std::io::Error) -> String {
    let shown = folder.display();
    match error.kind() {
        ErrorKind::NotFound => format!("there is no folder {shown}: make it, or name another file"),
        ErrorKind::NotADirectory => format!("{shown} is no folder, so no file can be in it: name another one"),
        ErrorKind::PermissionDenied => {
            let closed = folder.ancestors().skip(1).find(|above| fs::metadata(above).is_ok());
            let closed = closed.unwrap_or(folder);
            format!("this user may not look into {}: it takes the right `x` on that folder", rights(closed))
        }
        _ => format!("{shown}: {error}"),
    }
}

/// A file with who may do what with it.
pub(super) fn rights(file: &Path) -> String {
    let shown = file.display();
    fs::metadata(file).map_or_else(
        |error| format!("{shown} ({error})"),
        |found| format!("{shown} (mode {:03o}, belongs to user {})", found.mode() & 0o7777, found.uid()),
    )
}

/// The files that were opened, so that it is noticed when others lie in their place.
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// Path, device and inode of each.
    known: Vec<(PathBuf, u64, u64)>,
    /// What was found wrong; it does not get better.
    pub(super) lost: Option<StoreError>,
}

impl Files {
    pub(super) fn new(place: &Place) -> Self {
        let known = place.files().filter_map(|file| {
            let found = fs::metadata(&file).ok()?;
            Some((file, found.dev(), found.ino()))
        });
        Self { path: place.path.clone(), known: known.collect(), lost: None }
    }

    /// Nothing is written to a file that nobody else can see.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let is_same = |file: &Path, dev, ino| fs::metadata(file).is_ok_and(|now| now.dev() == dev && now.ino() == ino);
        let Some((file, ..)) = self.known.iter().find(|(file, dev, ino)| !is_same(file, *dev, *ino)) else {
            return Ok(());
        };
        let lost = StoreError::Refused(format!(
            "{} was moved, replaced or deleted while it was open: put it back, and start this process again",
            file.display()
        ));
        self.lost = Some(lost.clone());
        Err(lost)
    }
}

/// The name of a file that belongs to the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
