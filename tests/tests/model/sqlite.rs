//! The store in a SQLite file.

use crate::run;
use common::{
    clock::Clock,
    stores::sqlite::{SqliteStore, Synchronous},
};
use std::sync::Arc;
use tests::model::{
    sequence::{Scene, Stage},
    tolerances::Tolerances,
};

/// How many sequences a normal run plays, and a whole one.
const SEQUENCES: [u64; 2] = [300, 1_000];

/// A file for each sequence: who shares a file shares its time, and each sequence has a clock of its own.
pub(crate) struct Sqlite;

impl Stage for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances::SQLITE
    }

    async fn open(&self, clock: Clock) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.db");
        let store = SqliteStore::open(&path, Synchronous::Normal, "dramatiq", clock).unwrap();
        Scene { store: Arc::new(store), results: "result-".to_owned(), script: None, folder: Some(folder) }
    }
}

#[test]
fn sqlite_does_what_the_model_says() {
    run::all(&Sqlite, SEQUENCES, run::cores());
}
