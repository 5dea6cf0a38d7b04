//! The files on the disk: whether they are still those that were opened.
//!
//! SQLite goes on writing to a file that was deleted or moved away, where nobody else will ever see it; so each call looks first.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::database::beside;
use crate::error::StoreError;

/// The files that were opened, so that it is noticed when others lie in their place.
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// Path, device and inode of each.
    known: Vec<(PathBuf, u64, u64)>,
    /// What was found wrong; it does not get better.
    pub(super) lost: Option<StoreError>,
}

impl Files {
    pub(super) fn new(path: &Path) -> Self {
        let files = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")];
        let known = files.into_iter().filter_map(|file| {
            let found = fs::metadata(&file).ok()?;
            Some((file, found.dev(), found.ino()))
        });
        Self { path: path.to_owned(), known: known.collect(), lost: None }
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
    /// How long SQLite's log is, in bytes.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(beside(&self.path, "-wal")).map_or(0, |log| log.len())
    }
}
